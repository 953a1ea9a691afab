class Stack:
    def __init__(self, items=()):
        self.items = list(items)

    def push(self, item):
        self.items.append(item)
        return self

    def peek(self, default=None):
        return self.items[-1] if self.items else default

    def drop(self):
        return self.items.pop() if self.items else None

    def size(self):
        return len(self.items)


class PolicyOverSkills:
    def __init__(self):
        self.path = Stack()
        self.todo = Stack(["ascender", "descender", "discoverer"])

    def observe(self, facts):
        place = (facts.branch, facts.branch_level)
        if self.path.peek() == place:
            return
        if place in self.path.items:
            while self.path.peek() != place:
                self.path.drop()
        else:
            self.path.push(place)

    def next_skill(self, facts, finished, startable):
        while self.todo.size():
            wish = self.todo.drop()
            if wish in startable:
                break
        else:
            self.todo = Stack(startable)
            wish = startable[0]
        if self.path.size() > 3:
            self.todo.push("ascender").push("ascender")
        return wish

    def is_done(self, facts):
        return self.path.size() >= 4 and self.path.peek(("", 0))[0] == "main"
