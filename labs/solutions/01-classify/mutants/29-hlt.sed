# fails: predictions: the rest
# mistake: HLT is believed to be sensitive
s/{"hlt", true, false/{"hlt", true, true/
