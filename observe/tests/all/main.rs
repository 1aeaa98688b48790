//! All that an observer says, in one program: it is linked once, and what takes long runs beside the rest. What
//! measures the memory of its process is a program of its own.

mod arrivals;
mod bounded;
mod catalog;
mod collisions;
mod conventions;
mod equal;
mod fates;
mod fleet;
mod lenses;
mod observation;
mod offline;
mod part;
mod processors;
mod rest;
