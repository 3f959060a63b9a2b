//! Items stand in an argument of a macro that the compiler leaves as a call.
//!
//! Issue: 100051
//! Gives: any borrow becomes 'static
//! Seen: prints the text that took the freed buffer
//! Refused by: shapes
//! Reason: associated type in the header

fn main() {
    println!("{}", {
        trait Forget {
            type Type;
        }

        impl<T> Forget for T {
            type Type = ();
        }

        trait Extend<'a, 'b> {
            fn extend(self, value: &'a str) -> &'b str;
        }

        impl<'a, 'b> Extend<'a, 'b> for <&'b &'a () as Forget>::Type
        where
            for<'x, 'y> &'x &'y (): Forget,
        {
            fn extend(self, value: &'a str) -> &'b str {
                value
            }
        }

        fn inner() {
            let kept;
            {
                let text = String::from("temporary text");
                kept = <() as Extend<'_, '_>>::extend((), &text);
            }
            let other = String::from("another   text");
            println!("{kept} {other}");
        }

        inner();
        0
    });
}
