# fails: control sensitive
# mistake: a change of R is forgotten
s/after.supervisor != s.supervisor || after.r != s.r/after.supervisor != s.supervisor/
