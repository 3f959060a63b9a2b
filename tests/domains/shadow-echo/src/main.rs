//! A shadow of the crossing benchmark's callee: what a shadow costs.
#![cfg_attr(redleaf_image, no_std, no_main)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use core::cell::Cell;

use exchange::{Loan, Proxy, RRef, RpcResult};
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
    fn reference(&self, object: RRef<u64>) -> RpcResult<RRef<u64>> {
        let (object, loan) = match Loan::new(object) {
            Ok(lent) => lent,
            Err(object) => return self.0.object().reference(object),
        };
        let (object, loan) = (Cell::new(Some(object)), Cell::new(Some(loan)));
        let returned = self.0.call(
            |_| false,
            |echo| {
                let object = object.take().or_else(|| {
                    // The callee before died with it.
                    let back = loan.take()?.take_back().ok()?;
                    let (object, again) = Loan::new(back).ok()?;
                    loan.set(Some(again));
                    Some(object)
                });
                echo.reference(object.unwrap_or_else(|| RRef::new(0)))
            },
        )?;
        match loan.take() {
            Some(loan) => Ok(loan.settle(returned).unwrap_or_else(|(_, other)| other)),
            None => Ok(returned),
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
