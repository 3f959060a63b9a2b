//! Sources that must be refused, and their neighbours that must not.

use super::*;

#[track_caller]
fn refused(source: &str) -> Vec<String> {
    let refusals = find(source).unwrap();
    refusals.into_iter().map(|refusal| refusal.reason).collect()
}

#[track_caller]
fn is_refused(source: &str, reason: &str) {
    let reasons = refused(source);
    assert!(
        reasons.iter().any(|one| one.contains(reason)),
        "{reasons:?}"
    );
}

#[track_caller]
fn is_allowed(source: &str) {
    assert_eq!(refused(source), Vec::<String>::new(), "{source}");
}

#[test]
fn a_binder_has_one_lifetime_and_a_closure_trait() {
    is_allowed("fn f(g: impl for<'a> Fn(&'a str) -> &'a str) {}");
    is_allowed("fn f<G>(g: G) where G: for<'a> FnOnce(&'a u8) {}");
    is_allowed("fn f<G>(g: G) where for<'a> G: FnMut(&'a u8) -> &'a u8 {}");
    is_allowed("type F = for<'a> fn(&'a str) -> &'a str;");
    is_allowed("struct S { f: Box<dyn for<'a> Fn(&'a u8)> }");
    is_allowed(
        "fn f<T>() where for<'x> ::exchange::generated::Field<'x, T>: ::exchange::generated::PlainField {}",
    );
    is_refused(
        "fn f(g: impl for<'a, 'b> Fn(&'a u8, &'b u8)) {}",
        "more than one",
    );
    is_refused("type F = for<'a, 'b> fn(&'a u8, &'b u8);", "more than one");
    is_refused("fn f<T: for<'a> Trait<'a>>() {}", "neither Fn");
    is_refused("fn f<T>() where for<'a> T: Trait<'a> {}", "neither Fn");
    is_refused("fn f<T>() where for<'a> &'a T: Add {}", "neither Fn");
    is_refused("trait S: for<'a> Trait<'a> {}", "neither Fn");
    is_refused("trait S { type A: for<'a> Trait<'a>; }", "neither Fn");
    is_refused("fn f(x: &dyn for<'a> Trait<'a>) {}", "neither Fn");
    is_refused("fn f(x: &dyn for<'a> Fn<'a>) {}", "neither Fn");
    is_refused("fn f() { fn g<T: for<'a> Trait<'a>>() {} }", "neither Fn");
    is_refused(
        "fn f<T>() where for<'x> T: exchange::generated::PlainField {}",
        "neither Fn",
    );
}

#[test]
fn a_relation_between_named_lifetimes_is_written() {
    is_refused("fn f<'a, 'b>(x: &'a &'b u8) {}", "'b outlives 'a");
    is_refused("fn f<'a, 'b>(x: &'a [Option<&'b u8>]) {}", "'b outlives 'a");
    is_refused("struct S<'a, 'b>(&'a &'b u8);", "'b outlives 'a");
    is_refused("impl<'a, 'b> T<&'a &'b u8> for () {}", "'b outlives 'a");
    is_refused("fn f<'a>(x: &'static &'a u8) {}", "'a outlives 'static");
    is_refused(
        "impl<'a> S<'a> { fn f<'b>(&self, x: &'b S<'a>) {} }",
        "'a outlives 'b",
    );
    is_refused(
        "fn f<'a, 'b>() { let x: Option<&'a &'b u8> = None; }",
        "'b outlives 'a",
    );
    is_refused("fn f<'a, 'b>(x: Both<'a, 'b>) {}", "between 'a and 'b");
    is_refused(
        "fn f<'a>(x: Both<'a, 'static>) {}",
        "between 'a and 'static",
    );
    is_refused("fn f<'a: 'static>(x: &'a u8) {}", "outlives 'static");
    is_refused(
        "fn f<'a>(x: &'a u8) where 'a: 'static {}",
        "outlives 'static",
    );
    is_allowed("fn f<'a, 'b: 'a>(x: &'a &'b u8) {}");
    is_allowed("fn f<'a, 'b>(x: &'a &'b u8) where 'b: 'a {}");
    is_allowed("fn f<'a, 'b: 'a>(x: Both<'a, 'b>) {}");
    is_allowed("fn f<'a>(x: &'a &'static u8, y: &&'a u8) -> &'a u8 { x }");
    is_allowed("fn f<'a, 'b>(x: &'a u8, y: &'b u8) -> &'a u8 { x }");
    is_allowed("impl<'a> Iterator for S<'a> { type Item = &'a u8; }");
    is_allowed("impl<'a, T> IntoIterator for &'a S<T> { type Item = &'a T; }");
}

#[test]
fn the_bound_of_a_function_does_not_count_for_an_item_inside() {
    is_refused(
        "fn f<'a, 'b: 'a>() { fn g<'a, 'b>(x: &'a &'b u8) {} }",
        "'b outlives 'a",
    );
}

#[test]
fn headers_and_signatures_name_types_themselves() {
    is_refused("impl T for <u8 as S>::A {}", "header of impl");
    is_refused("impl T<<u8 as S>::A> for u8 {}", "header of impl");
    is_refused("type X = <u8 as S>::A;", "name for an associated type");
    is_refused("fn f<'a>(x: <&'a u8 as S>::A) {}", "in a signature");
    is_refused("fn f(x: <&u8 as S>::A) {}", "in a signature");
    is_refused(
        "fn f<'a, T: S<'a>>() -> <T as S<'a>>::A { x }",
        "in a signature",
    );
    is_allowed("fn f<T: S>(x: T) -> <T as S>::A { x }");
    is_allowed("type X<T> = Result<u8, <T as S>::Error>;");
    is_allowed("fn f() { let x: <u8 as S>::A = y; }");
}

#[test]
fn no_blanket_implementation_for_unsized_types_has_an_associated_type() {
    is_refused("impl<T: ?Sized> S for T { type A = u8; }", "?Sized");
    is_refused(
        "impl<T> S for T where T: ?Sized + M { type A = u8; }",
        "?Sized",
    );
    is_allowed("impl<T: ?Sized> S for T { fn f(&self) {} }");
    is_allowed("impl<T> S for T { type A = u8; }");
    is_allowed("impl<T: ?Sized + S> S for &mut T { type A = T::A; }");
}

#[test]
fn no_parameter_is_known_from_what_a_closure_returns_alone() {
    let reason = "what a closure returns";
    is_refused("impl<R, F: Fn() -> R> S for F { type A = R; }", reason);
    is_refused(
        "impl<R, F: FnMut(u8) -> Option<R>> S for W<F> { type A = R; }",
        reason,
    );
    is_refused(
        "impl<R, F> S for F where F: Fn() -> R { type A = u8; }",
        reason,
    );
    is_allowed("impl<R, F: Fn() -> R> S<R> for F { type A = R; }");
    is_allowed("impl<R, F: Fn() -> R> W<R, F> { fn f(&self) {} }");
}

#[test]
fn what_a_parameter_yields_is_not_kept() {
    let taken = "may be kept";
    is_refused("struct S<I: Iterator>(I, Option<I::Item>);", "stores");
    is_refused(
        "enum S<I: Iterator> { A(<I as Iterator>::Item), B }",
        "stores",
    );
    is_refused(
        "fn f<I: Iterator + 'static>(x: I::Item) {}",
        "has a lifetime",
    );
    is_refused("fn f<I: Iterator + Any>(x: I) {}", "has a lifetime");
    is_refused("fn f<'a, I: Iterator + 'a>(x: I) {}", "has a lifetime");
    is_refused(
        "fn f<I: Iterator>(i: &I, x: I::Item) -> Box<dyn D + '_> { x }",
        taken,
    );
    is_refused("fn f<I: Iterator>(x: I::Item) -> impl Fn() { x }", taken);
    is_refused(
        "trait K { type A; fn f(&self, x: Self::A) -> Box<dyn D + '_> { x } }",
        taken,
    );
    is_allowed("trait K { type A; fn f(&self, x: Self::A) -> Box<dyn D + '_>; }");
    is_allowed("fn f<I: Iterator>(i: I, x: I::Item) -> I::Item { x }");
    is_allowed("fn f<I: Iterator>(i: &mut I) -> Option<I::Item> { i.next() }");
    is_allowed("fn f<C: FnOnce() + Send + 'static>(c: C) {}");
    is_allowed("struct S<I: Iterator<Item = T>, T>(I, Option<T>);");
    is_allowed("fn f(e: Error<S::Error>) -> u8 { 1 }");
}

#[test]
fn no_type_parameter_is_named_like_a_primitive_type() {
    is_refused("fn f<u8>(x: u8) {}", "capital");
    is_allowed("fn f<__D>(x: __D) {}");
    is_allowed("fn f<U8, const N: usize>(x: [U8; N]) {}");
}

#[test]
fn what_is_no_rust_is_no_answer() {
    assert!(matches!(find("fn f( {"), Err(ExamineError::Parse(_))));
}

#[test]
fn a_trait_bounds_no_associated_type_in_place() {
    let reason = "bounds an associated type of another in place";
    is_refused("trait S: Iterator<Item: Copy> {}", reason);
    is_refused("trait S where Self: Iterator<Item: Copy> {}", reason);
    is_refused("trait S<T>: Other<T, Type: 'static> {}", reason);
    is_refused(
        "trait S: Other<Type = Vec<Box<dyn Iterator<Item: Copy>>>> {}",
        reason,
    );
    is_refused("trait S: Other<Type: Iterator<Item: Copy>> {}", reason);
    is_refused("trait S { type A: Iterator<Item: Copy>; }", reason);
    is_refused("fn f() { trait S: Iterator<Item: Copy> {} }", reason);
    is_allowed("trait S: Iterator<Item = u8> {}");
    is_allowed("trait S { type A: Copy; }");
    is_allowed("trait S { fn f<I: Iterator<Item: Copy>>(items: I); }");
    is_allowed("fn f<I: Iterator<Item: Copy>>(items: I) {}");
}

#[test]
fn paths_are_short_enough_for_a_file() {
    let long = "x".repeat(MAX_PATH);
    let half = "x".repeat(MAX_PATH / 2);
    let reason = "a path of more than";
    is_refused(&format!("fn {long}() {{}}"), reason);
    is_refused(
        &format!("mod {half} {{ mod {half} {{ fn f() {{}} }} }}"),
        reason,
    );
    is_refused(&format!("fn {half}() {{ fn {half}() {{}} }}"), reason);
    is_refused(&format!("const {long}: u8 = 0;"), reason);
    is_refused(&format!("impl T {{ fn {long}(&self) {{}} }}"), reason);
    is_refused(&format!("trait T {{ fn {long}(&self) {{}} }}"), reason);
    is_refused(
        &format!("fn {half}() {{ {} }}", "|| ".repeat(8) + "0"),
        reason,
    );
    is_allowed(&format!(
        "fn {half}() {{}} mod a {{ fn {half}() {{ || 0; }} }}"
    ));
}

/// What is refused is refused as well where it stands in an argument of a macro that
/// the compiler leaves as a call.
#[test]
fn nothing_hides_in_a_macro() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/holes");
    let mut tried = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let Some(head) = text.lines().find(|line| line.starts_with("//! Reason: ")) else {
            continue;
        };
        let reason = head.trim_start_matches("//! Reason: ");
        let items = text.lines().filter(|line| !line.starts_with("//!"));
        let items = items.collect::<Vec<_>>().join("\n");
        let items = items.replace("println!", "format_args!");
        let hidden = format!("fn f() {{ print(format_args!(\"{{}}\", {{ {items}; 0 }})); }}");
        // Other macros are not expanded here.
        if text.contains("Refused by: shapes\n")
            && let Ok(refusals) = find(&hidden)
        {
            tried += 1;
            let is_refused = refusals.iter().any(|one| one.reason.contains(reason));
            assert!(is_refused, "{hidden}");
        }
    }
    assert!(tried >= 20, "{tried}");
}
