//! What is left to a multiple says where a variable lies.
//!
//! Issue: 107975
//! Gives: an address as a number
//! Seen: prints most of it
//! Refused by: addresses
//! Reason: becomes a number

fn main() {
    let value = 0_u8;
    println!("{:x}", (&raw const value).align_offset(1 << 40));
}
