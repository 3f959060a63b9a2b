//! Stopping a dead driver's function by the recipe that the driver left.
//!
//! A recipe is an allegation: the driver says that the function has ended all it does
//! once these bits are so. One that would be true anyway says nothing, and neither
//! does one that reads back what was written. Who follows it learns whether the bits
//! *changed*; if not, the function is reset instead, which takes 100 ms and no word of
//! the driver's.

use abi::device::StopRecipe;

/// The two registers of a recipe, and the time that the function has.
pub(crate) trait Registers {
    /// Reads what shows that the function has stopped.
    fn status(&mut self) -> u32;
    /// Clears bits of what makes it stop.
    fn clear_control(&mut self, bits: u32);
    /// Whether it has had time enough.
    fn is_time_up(&mut self) -> bool;
}

/// Whether a recipe could tell anything at all.
pub(crate) const fn says_something(recipe: &StopRecipe) -> bool {
    let is_possible = recipe.mask != 0 && recipe.value & !recipe.mask == 0;
    let is_echo = recipe.control == recipe.status && recipe.mask & recipe.clear != 0;
    recipe.clear != 0 && is_possible && !is_echo
}

/// Makes a function stop; false: nothing shows that it has.
pub(crate) fn follow(recipe: &StopRecipe, registers: &mut impl Registers) -> bool {
    // All ones: the function is gone, which a reset may change.
    let has_stopped = |status: u32| status != u32::MAX && status & recipe.mask == recipe.value;
    if !says_something(recipe) || has_stopped(registers.status()) {
        return false;
    }
    registers.clear_control(recipe.clear);
    loop {
        if has_stopped(registers.status()) {
            return true;
        }
        if registers.is_time_up() {
            return false;
        }
        core::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As NVMe's: enable bit and ready bit.
    const HONEST: StopRecipe = StopRecipe {
        bar: 0,
        control: 0x14,
        clear: 1,
        status: 0x1c,
        mask: 1,
        value: 0,
    };

    /// A function whose status follows its control register after some looks.
    struct Model {
        control: u32,
        status: u32,
        stops_after: u32,
        is_written: bool,
        looks: u32,
    }

    impl Model {
        const fn running(stops_after: u32) -> Self {
            Self {
                control: 3,
                status: 1,
                stops_after,
                is_written: false,
                looks: 0,
            }
        }
    }

    impl Registers for Model {
        fn status(&mut self) -> u32 {
            self.looks += 1;
            if self.is_written && self.looks > self.stops_after {
                self.status = self.control & 1;
            }
            self.status
        }

        fn clear_control(&mut self, bits: u32) {
            self.control &= !bits;
            self.is_written = true;
        }

        fn is_time_up(&mut self) -> bool {
            self.looks > 100
        }
    }

    #[test]
    fn a_function_that_stops_in_time_needs_no_reset() {
        let mut function = Model::running(7);
        assert!(follow(&HONEST, &mut function));
        assert_eq!(function.control, 2);
        assert!(!follow(&HONEST, &mut Model::running(1000)));
    }

    #[test]
    fn a_recipe_that_says_nothing_is_none() {
        let refused = [
            StopRecipe::default(),
            // True whatever is read.
            StopRecipe { mask: 0, ..HONEST },
            // True of nothing.
            StopRecipe { value: 2, ..HONEST },
            // Nothing is written.
            StopRecipe { clear: 0, ..HONEST },
            // What is read is what was written.
            StopRecipe {
                status: HONEST.control,
                ..HONEST
            },
        ];
        for recipe in refused {
            assert!(!says_something(&recipe), "{recipe:?}");
            let mut function = Model::running(0);
            assert!(!follow(&recipe, &mut function), "{recipe:?}");
            assert!(!function.is_written, "{recipe:?}");
        }
        assert!(says_something(&HONEST));
    }

    #[test]
    fn what_is_true_before_it_is_written_shows_nothing() {
        let mut function = Model::running(0);
        function.status = 0;
        assert!(!follow(&HONEST, &mut function));
        assert!(!function.is_written);
        // A bit that never changes.
        let recipe = StopRecipe {
            mask: 0x80,
            ..HONEST
        };
        assert!(!follow(&recipe, &mut Model::running(0)));
    }

    #[test]
    fn a_function_that_is_gone_has_not_stopped() {
        let recipe = StopRecipe {
            mask: 0x80,
            value: 0x80,
            ..HONEST
        };
        let mut function = Model::running(1000);
        function.status = u32::MAX;
        assert!(!follow(&recipe, &mut function));
    }
}
