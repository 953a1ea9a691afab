KEYWORDS = "altar,shop,stair,fountain".split(",")


class PolicyOverSkills:
    def __init__(self):
        self.seen = ""
        self.words = []

    def observe(self, facts):
        text = facts.message.strip().lower()
        if not text:
            return
        text = text.replace("!", ".").replace("?", ".")
        sentences = [part.strip() for part in text.split(".") if part.strip()]
        self.words = [word.strip("'\",;:") for sentence in sentences for word in sentence.split()]
        for keyword in KEYWORDS:
            if any(word.startswith(keyword) for word in self.words):
                self.seen = f"{keyword}@{facts.depth:02d}/{facts.branch[:4]:>5}"

    def next_skill(self, facts, finished, startable):
        label = self.seen.partition("@")[0].upper()
        title = " ".join(word.capitalize() for word in self.words[:3])
        if label == "ALTAR" and "worshipper" in startable:
            return "worshipper"
        if label == "SHOP" and "merchant" in startable:
            return "merchant"
        if title.endswith("Door") or "kitten" in self.words or facts.message.find("You see here") >= 0:
            wish = "discover" + "er"
        elif len(title) > 12 and title[0].isupper() and not title.isdigit():
            wish = "-".join(["de", "scender"]).replace("-", "")
        else:
            wish = "{}"[:0] + "ascender"
        return wish if wish in startable else startable[0]
