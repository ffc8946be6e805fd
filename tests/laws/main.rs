//! Laws of the pure core, and of the house: what must hold for any entries, any plan and any kind.

mod house;
mod planning;
