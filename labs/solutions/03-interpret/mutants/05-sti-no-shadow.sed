# fails: sti with an interrupt pending
# mistake: STI takes an interrupt at once
s/, \.shadow = true//
