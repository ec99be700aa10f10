# fails: registers behind an event
# mistake: EAX is the number of the hypercall already
/pushl %eax/{
s/pushl %eax/movl $6, %eax/
n
s/movl $6, %eax/pushl %eax/
}
