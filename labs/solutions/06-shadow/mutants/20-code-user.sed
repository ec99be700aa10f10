# fails: an absent page
# mistake: the error code lacks U\/S
s/fault->error_code \& (FAULT_WRITE | FAULT_USER)/fault->error_code \& FAULT_WRITE/
