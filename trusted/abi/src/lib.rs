//! What kernel and domain images agree on: layouts, tables and numbers.
#![no_std]
