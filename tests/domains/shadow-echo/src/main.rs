//! A shadow of the crossing benchmark's callee: what a shadow costs.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use core::cell::Cell;

use exchange::{Loan, Proxy, RRef, RpcError, RpcResult};
use interfaces::bench::{Echo, EchoBatch};
use runtime::{Options, StartError, domain};
use shadow::Guard;

struct Shadow(Guard<dyn Echo>);

/// Stands in front of `guarded`.
#[domain]
fn shadow_echo(guarded: Proxy<dyn Echo>, options: Options) -> Result<Arc<dyn Echo>, StartError> {
    Ok(Arc::new(Shadow(Guard::new(guarded, &options)?)))
}

impl Echo for Shadow {
    fn null(&self) -> RpcResult<()> {
        self.0.call(|()| false, |echo| echo.null())
    }

    /// Lends the object, so that it comes back if the callee dies with it.
    #[inline(always)]
    fn reference(&self, object: RRef<u64>) -> RpcResult<RRef<u64>> {
        let (object, loan) = match Loan::new(object) {
            Ok(lent) => lent,
            Err(object) => return self.0.object().reference(object),
        };
        match self.0.object().reference(object) {
            Ok(returned) => Ok(settle(loan, returned)),
            Err(error) => self.reference_again(error, loan),
        }
    }

    /// A batch is passed on and dies with the callee.
    fn batch(&self, batch: EchoBatch) -> RpcResult<EchoBatch> {
        self.0.object().batch(batch)
    }

    fn slice(&self, bytes: &[u8]) -> RpcResult<u64> {
        self.0.call(|_| false, |echo| echo.slice(bytes))
    }
}

impl Shadow {
    /// Repeats a call whose object is lent.
    #[cold]
    #[inline(never)]
    fn reference_again(&self, error: RpcError, loan: Loan<RRef<u64>>) -> RpcResult<RRef<u64>> {
        let loan = Cell::new(Some(loan));
        let returned = self.0.call_again(
            Err(error),
            |_| false,
            |echo| {
                // The callee before died with it.
                let lent = || {
                    let back = loan.take()?.take_back().ok()?;
                    let (object, again) = Loan::new(back).ok()?;
                    loan.set(Some(again));
                    Some(object)
                };
                echo.reference(lent().unwrap_or_else(|| RRef::new(0)))
            },
        )?;
        Ok(match loan.take() {
            Some(loan) => settle(loan, returned),
            None => returned,
        })
    }
}

/// Ends a loan whose object came back, or is the borrower's for good.
#[inline(always)]
fn settle(loan: Loan<RRef<u64>>, returned: RRef<u64>) -> RRef<u64> {
    loan.settle(returned).unwrap_or_else(|(_, other)| other)
}
