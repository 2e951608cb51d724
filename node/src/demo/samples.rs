//! What the people of the demonstration have to say. Written for it; every address is made up,
//! under names that are reserved for examples.

/// A post or a bookmark to be.
pub(super) struct Sample {
    pub(super) by: &'static str,
    pub(super) title: &'static str,
    /// A text, or the note of a bookmark.
    pub(super) text: &'static str,
    pub(super) url: Option<&'static str>,
    pub(super) tags: &'static [&'static str],
    /// Whether its author lets it cross one border.
    pub(super) may_leave: bool,
}

const fn post(
    by: &'static str,
    title: &'static str,
    text: &'static str,
    tags: &'static [&'static str],
    may_leave: bool,
) -> Sample {
    Sample { by, title, text, url: None, tags, may_leave }
}

const fn bookmark(
    by: &'static str,
    url: &'static str,
    title: &'static str,
    text: &'static str,
    tags: &'static [&'static str],
    may_leave: bool,
) -> Sample {
    Sample { by, title, text, url: Some(url), tags, may_leave }
}

/// A community of people who grow vegetables between houses.
pub(super) const GARDEN: &[Sample] = &[
    post(
        "alice",
        "What we planted in March",
        "Broad beans under fleece, peas along the wall, and far too many onions again.",
        &["diary"],
        false,
    ),
    post(
        "alice",
        "Saving tomato seed without a mess",
        "Let the pulp ferment in a jar for three days, rinse, dry on paper. The jar must not be closed.",
        &["seeds/saving", "tomatoes"],
        true,
    ),
    post(
        "alice",
        "Three beds, four years",
        "Our rotation: legumes, brassicas, roots, rest. Year three always fails at the shady end.",
        &["soil", "planning"],
        true,
    ),
    post(
        "alice",
        "The compost is too wet",
        "Shredded cardboard helped within a week. Egg boxes are perfect.",
        &["soil/compost"],
        true,
    ),
    post("alice", "Who has the key to the shed?", "It was on the hook on Sunday.", &["organising"], false),
    post(
        "alice",
        "Beans that like our wall",
        "Of six kinds, the purple climbing ones gave twice as much as any other.",
        &["seeds", "beans"],
        true,
    ),
    bookmark(
        "alice",
        "https://seeds.example.org/germination-table",
        "Germination temperatures",
        "The table we copied onto the shed door.",
        &["seeds"],
        true,
    ),
    bookmark(
        "alice",
        "https://soil.example.org/jar-test",
        "Soil texture with a jar",
        "Ten minutes, no kit. Do it before you buy anything.",
        &["soil"],
        true,
    ),
    bookmark(
        "alice",
        "https://water.example.org/ollas",
        "Buried clay pots for watering",
        "Halves the carrying in July.",
        &["water"],
        true,
    ),
    bookmark(
        "alice",
        "https://council.example.org/plots/bylaws",
        "Rules for our plots",
        "Fences up to 80 cm, no bees without asking.",
        &["organising"],
        false,
    ),
    post("bob", "First week, first mistakes", "I sowed carrots in trays. Now I know.", &["diary"], false),
    post(
        "bob",
        "Slugs: what worked",
        "Going out with a torch after rain, four evenings in a row. Nothing else came close.",
        &["pests/slugs"],
        true,
    ),
    post(
        "bob",
        "A cheap cold frame",
        "Two old windows, eight screws, one hinge. It opens by itself when the string gets wet; I cannot explain why.",
        &["building", "season"],
        true,
    ),
    bookmark(
        "bob",
        "https://pests.example.org/slug-calendar",
        "When slugs lay",
        "So that one knows when to look.",
        &["pests/slugs"],
        true,
    ),
    bookmark(
        "bob",
        "https://build.example.org/cold-frame",
        "Plans for a cold frame",
        "Mine is made after the second drawing.",
        &["building"],
        true,
    ),
    bookmark(
        "bob",
        "https://diary.example.org/a-first-year",
        "Somebody else's first year",
        "Comforting.",
        &["diary"],
        false,
    ),
    post(
        "ferry",
        "Greetings from both sides",
        "I also look after the seed shelf in the library. Tell me what should travel.",
        &["organising"],
        false,
    ),
    bookmark(
        "ferry",
        "https://exchange.example.org/seed-swap",
        "How to run a seed swap",
        "Envelopes, a date stamp, and somebody who reads handwriting.",
        &["seeds/swap"],
        true,
    ),
];

/// A community of people who keep a lending shelf of seeds, tools and books.
pub(super) const LIBRARY: &[Sample] = &[
    post(
        "dave",
        "How we label",
        "Name, place, year, and the first name of who grew it. A year without a place is worth little.",
        &["shelf", "labels"],
        true,
    ),
    post(
        "dave",
        "What is asked for most",
        "Tomatoes, then beans, then anything that flowers in the shade.",
        &["shelf"],
        false,
    ),
    post(
        "dave",
        "Envelopes that survive a winter",
        "Plain paper in a tin with rice. Plastic rots the lot.",
        &["storage"],
        true,
    ),
    post(
        "dave",
        "Returning seed is not a duty",
        "Half of what is borrowed comes back, and that is twice what we need.",
        &["lending"],
        true,
    ),
    post(
        "dave",
        "Tools that come back broken",
        "Always the same three. We now lend them together with ten minutes of showing.",
        &["tools"],
        false,
    ),
    bookmark(
        "dave",
        "https://library.example.org/catalogue-cards",
        "Cards for a seed catalogue",
        "Print four to a sheet.",
        &["labels"],
        true,
    ),
    bookmark(
        "dave",
        "https://storage.example.org/viability",
        "How long seed lives",
        "Onions: a year. Tomatoes: longer than you think.",
        &["storage", "seeds"],
        true,
    ),
    bookmark(
        "dave",
        "https://tools.example.org/sharpening",
        "Sharpening a hoe",
        "The angle is all there is to it.",
        &["tools"],
        false,
    ),
    bookmark(
        "dave",
        "https://lending.example.org/agreements",
        "A lending agreement on half a page",
        "Nobody reads a whole one.",
        &["lending"],
        true,
    ),
    post(
        "ferry",
        "Questions I bring along",
        "The gardeners ask which beans anybody has grown on a north wall.",
        &["shelf"],
        false,
    ),
    bookmark(
        "ferry",
        "https://exchange.example.org/isolation-distances",
        "How far apart seed crops must stand",
        "For those who want to save more than beans.",
        &["seeds"],
        false,
    ),
    bookmark(
        "ferry",
        "https://shelf.example.org/opening-hours",
        "When the shelf is staffed",
        "Saturdays, and whenever the light is on.",
        &["shelf"],
        false,
    ),
];

/// What the broker carries from the garden into the library: the title, and why it matters there.
pub(super) const CARRIED: &[(&str, &str)] = &[
    ("Saving tomato seed without a mess", "Answers what people ask at the shelf every September."),
    ("Beans that like our wall", "The north wall question: here is an answer from somebody who counted."),
    ("Germination temperatures", "Worth printing beside the shelf."),
    ("How to run a seed swap", "Ours is in February; this is the checklist."),
];
