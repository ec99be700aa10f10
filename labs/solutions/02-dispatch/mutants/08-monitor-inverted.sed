# fails: a sensitive instruction on a new page
# mistake: the test for the VMM's own part is the wrong way round
s/trap->monitor \&\& sensitive/!trap->monitor \&\& sensitive/
