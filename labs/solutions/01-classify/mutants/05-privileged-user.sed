# fails: privileged
# mistake: it only asks whether it traps in u
s/any = true;/any = true; if (in_u == TRAPS) return true;/
