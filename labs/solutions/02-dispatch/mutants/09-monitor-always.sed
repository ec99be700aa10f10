# fails: a store to where the VMM lives
# mistake: everything in the VMM's own part is simulated
s/trap->monitor \&\& sensitive/trap->monitor/
