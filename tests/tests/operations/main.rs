//! What operators and the network do to a director, under real traffic.

mod load;
mod setting;

mod drain;
mod instances;
mod restarts;
mod taking_down;
