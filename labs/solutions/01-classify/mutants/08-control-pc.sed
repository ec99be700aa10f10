# fails: control sensitive
# mistake: a change of P counts
s/after.supervisor != s.supervisor || after.r != s.r/after.supervisor != s.supervisor || after.r != s.r || after.p != s.p/
