# fails: mode sensitive
# mistake: a different E behind it is forgotten
s/from_s.e != from_u.e || //
