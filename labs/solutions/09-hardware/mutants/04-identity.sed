# fails: the first pages
# mistake: guest-physical addresses are taken for the machine's
s/fault->frame | rights/(fault->guest \& ~0xfffu) | rights/
