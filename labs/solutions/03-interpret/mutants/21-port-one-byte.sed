# fails: in
# mistake: every access is a byte
s/\.size = call->instruction\.width/.size = 1/
