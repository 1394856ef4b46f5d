package sfu

// Admission decides who may join a room and as what. It is asked on the goroutine of the request, before anything is made for it.
type Admission interface {
	// Admit decides about a join. It may change what the request grants, its attributes and how the room is made. What it refuses is told to
	// the client by the error's kind and text.
	Admit(r *JoinRequest) error
	// Readmit decides about a session that goes on after its signalling connection was lost.
	Readmit(room, identity string) error
}

// SetAdmission makes a decide. It is called before the first join.
func (m *Manager) SetAdmission(a Admission) { m.cfg.Admission = a }
