class Task:
    """A unit of work with a deadline; compared by urgency."""

    created = 0

    def __init__(self, skill, deadline, repeat=False):
        Task.created += 1
        self.number = Task.created
        self.skill = skill
        self.deadline = deadline
        self.repeat = repeat

    def urgency(self, now):
        return (self.deadline - now, self.number)

    def renewed(self, now):
        return Task(self.skill, now + 60, True)


class Agenda:
    def __init__(self):
        self.tasks = [Task("discoverer", 30, repeat=True), Task("descender", 80, repeat=True), Task("merchant", 500)]

    def due(self, now, allowed):
        for task in sorted(self.tasks, key=lambda task: task.urgency(now)):
            if task.skill in allowed:
                return task
        return None

    def finish(self, task, now):
        self.tasks = [other for other in self.tasks if other is not task]
        if task.repeat:
            self.tasks.append(task.renewed(now))


class PolicyOverSkills:
    def __init__(self):
        self.agenda = Agenda()
        self.active = None

    def next_skill(self, facts, finished, startable):
        if self.active is not None and self.active.skill == finished:
            self.agenda.finish(self.active, facts.steps)
        self.active = self.agenda.due(facts.steps, startable)
        return self.active.skill if self.active else startable[0]

    def interrupt(self, facts, skill):
        return self.active is not None and facts.steps > self.active.deadline + 20 and skill == self.active.skill and facts.steps % 20 == 0

    def is_done(self, facts):
        return len(self.agenda.tasks) == 2 and facts.levels_visited > 3
