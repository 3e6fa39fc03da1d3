//! What operators and the network do to a director, under real traffic.

mod setting;

mod access;
mod bad_config;
mod drain;
mod generic;
mod hostile;
mod instances;
mod interfaces;
mod kills;
mod next_hops;
mod numbers;
mod packet_log;
mod repairs;
mod restarts;
mod state_dir;
mod taking_down;
