//! The command line as people use it: standard output, standard error and exit code pinned together, in a sealed
//! world.

mod world;
