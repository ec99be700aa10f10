# fails: mode sensitive
# mistake: a different R behind it is forgotten
s/ || from_s.r != from_u.r//
