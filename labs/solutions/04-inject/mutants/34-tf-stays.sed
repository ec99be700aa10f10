# fails: a single step
# mistake: TF stays set in the handler
s/(TF | NT | RF)/(NT | RF)/
