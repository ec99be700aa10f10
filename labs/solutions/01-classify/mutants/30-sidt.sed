# fails: predictions: system tables
# mistake: SIDT is believed to be harmless
s/{"sidt", false, true/{"sidt", false, false/
