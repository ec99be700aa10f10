# fails: registers behind an event
# mistake: EAX is not below IRET's frame
s/pushl %eax\\n/pushl $0\\n/
