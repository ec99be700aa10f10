# fails: a page of the supervisor
# mistake: the error code lacks P
s/answer.error_code |= FAULT_P;/answer.error_code |= 0;/
