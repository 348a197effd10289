/// Process groups: who takes part, how ranks find each other, and the two collectives that start-up
/// needs (all-gather of bytes and barrier).
///
/// [io.crossdock.core.group.InProcessGroup] joins threads of one virtual machine,
/// [io.crossdock.core.group.TcpGroup] joins processes through a rendezvous that rank 0 hosts,
/// [io.crossdock.core.group.ProcessGroups] does what the environment says. All run the same rules:
/// every wait is bounded, the first failure wins, and it reaches every member with the ranks it is
/// about.
package io.crossdock.core.group;
