# fails: control sensitive
# mistake: a change of M is forgotten
s/after.supervisor != s.supervisor || after.r != s.r/after.r != s.r/
