//! The library from outside: keys in, screen and events out.

mod cooked;
mod editor;
mod properties;
mod support;
