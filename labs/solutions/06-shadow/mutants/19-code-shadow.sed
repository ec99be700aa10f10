# fails: an absent page
# mistake: the guest gets the error code of the shadow
s/fault->error_code \& (FAULT_WRITE | FAULT_USER),/fault->error_code | FAULT_P,/
