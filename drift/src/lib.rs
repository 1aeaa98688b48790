//! Sets, sketches and distances that evidence is made of.
