//! Puts every mutant of a source file behind a switch, so that one build holds them all.
//!
//! `a < b` becomes `if on(17) { a <= b } else { a < b }`. Assertions (macros) are left alone, and so are tests,
//! constants and what only formats.

use quote::{ToTokens, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{
    BinOp, Expr, ExprLit, ExprUnary, File, ImplItemFn, ItemFn, ItemImpl, ItemMod, Lit, UnOp, parse_quote,
};

/// One mutant.
#[derive(Clone, Debug)]
pub(crate) struct Mutant {
    /// Its switch.
    pub(crate) number: usize,
    /// Its file, below `checker/src`.
    pub(crate) file: String,
    /// File, function, what stands there, what the mutant has instead.
    pub(crate) name: String,
}

/// The source with its mutants, which are added to those given.
pub(crate) fn with_mutants(file: &str, source: &str, mutants: &mut Vec<Mutant>) -> String {
    let mut parsed: File = syn::parse_str(source).unwrap_or_else(|error| panic!("{file}: {error}"));
    Switches { file, functions: Vec::new(), mutants }.visit_file_mut(&mut parsed);
    parsed.to_token_stream().to_string()
}

struct Switches<'m> {
    file: &'m str,
    functions: Vec<String>,
    mutants: &'m mut Vec<Mutant>,
}

impl Switches<'_> {
    /// A switch between what stands there and each of what might stand there by mistake.
    fn switch(&mut self, original: &Expr, visited: &mut Expr, instead: Vec<Expr>) {
        for mutant in instead {
            let number = self.mutants.len() + 1;
            let place = self.functions.last().map_or("", String::as_str);
            let words = |expr: &Expr| expr.to_token_stream().to_string();
            let mut name = format!("{} {place}: {} => {}", self.file, words(original), words(&mutant));
            let twins = self.mutants.iter().filter(|other| other.name.starts_with(&name)).count();
            if twins > 0 {
                name += &format!(" ({})", twins + 1);
            }
            self.mutants.push(Mutant { number, file: self.file.to_owned(), name });
            let here = visited.clone();
            *visited = syn::parse2(quote!((if crate::mutation::on(#number) { #mutant } else { #here })))
                .expect("an expression");
        }
    }

    fn inside(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.functions.push(name);
        visit(self);
        self.functions.pop();
    }
}

/// What might stand in an expression's place by mistake.
fn mistakes(expr: &Expr) -> Vec<Expr> {
    match expr {
        Expr::Binary(binary) if !holds_let(&binary.left) && !holds_let(&binary.right) => {
            let with = |op: BinOp| {
                let mut mutant = binary.clone();
                mutant.op = op;
                Expr::Binary(mutant)
            };
            match binary.op {
                BinOp::Lt(_) => vec![with(BinOp::Le(Default::default()))],
                BinOp::Le(_) => vec![with(BinOp::Lt(Default::default()))],
                BinOp::Gt(_) => vec![with(BinOp::Ge(Default::default()))],
                BinOp::Ge(_) => vec![with(BinOp::Gt(Default::default()))],
                BinOp::Eq(_) => vec![with(BinOp::Ne(Default::default()))],
                BinOp::Ne(_) => vec![with(BinOp::Eq(Default::default()))],
                BinOp::And(_) => vec![with(BinOp::Or(Default::default()))],
                BinOp::Or(_) => vec![with(BinOp::And(Default::default()))],
                BinOp::Add(_) | BinOp::Sub(_) if is_one(&binary.right) => vec![binary.left.as_ref().clone()],
                _ => Vec::new(),
            }
        }
        // What is negated may be a reference: negated twice it is of the type that is needed.
        Expr::Unary(negation @ ExprUnary { op: UnOp::Not(_), .. }) => vec![parse_quote!(!(#negation))],
        _ => Vec::new(),
    }
}

fn is_one(expr: &Expr) -> bool {
    matches!(expr, Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) if number.base10_digits() == "1")
}

/// Whether it is part of a chain of `let`s, where only `&&` may stand.
fn holds_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => holds_let(&binary.left) || holds_let(&binary.right),
        _ => false,
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.to_token_stream().to_string().contains("test"))
}

impl VisitMut for Switches<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let original = expr.clone();
        visit_mut::visit_expr_mut(self, expr);
        let mistakes = mistakes(&original);
        self.switch(&original, expr, mistakes);
    }

    fn visit_item_mod_mut(&mut self, module: &mut ItemMod) {
        if !is_test(&module.attrs) {
            visit_mut::visit_item_mod_mut(self, module);
        }
    }

    fn visit_item_fn_mut(&mut self, function: &mut ItemFn) {
        if function.sig.constness.is_none() {
            self.inside(function.sig.ident.to_string(), |this| visit_mut::visit_item_fn_mut(this, function));
        }
    }

    fn visit_impl_item_fn_mut(&mut self, function: &mut ImplItemFn) {
        if function.sig.constness.is_none() {
            let name = function.sig.ident.to_string();
            self.inside(name, |this| visit_mut::visit_impl_item_fn_mut(this, function));
        }
    }

    fn visit_item_impl_mut(&mut self, item: &mut ItemImpl) {
        let shown = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
        if !shown.is_some_and(|name| name.ident == "Display" || name.ident == "Debug") {
            visit_mut::visit_item_impl_mut(self, item);
        }
    }

    fn visit_item_const_mut(&mut self, _: &mut syn::ItemConst) {}
    fn visit_item_static_mut(&mut self, _: &mut syn::ItemStatic) {}
    fn visit_impl_item_const_mut(&mut self, _: &mut syn::ImplItemConst) {}
    fn visit_type_mut(&mut self, _: &mut syn::Type) {}
    fn visit_generic_argument_mut(&mut self, _: &mut syn::GenericArgument) {}
}
