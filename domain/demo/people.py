"""The people of the demo shop: nobody is anybody. A first name, a surname, a city and its country are always of one
region, mail addresses are of domains that are reserved for examples, and a telephone number is given only where the
country keeps numbers for fiction, and is one of those."""

import unicodedata
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Region:
    """Names that are found together, and the cities where, each with a telephone number whose `#` are any digits, or
    with none. `share` is how many of a thousand customers are from there."""

    share: int
    country: str
    first_names: tuple[str, ...]
    surnames: tuple[str, ...]
    cities: tuple[tuple[str, str | None], ...]
    surname_first: bool = False


def _make_region(
    share: int, country: str, first: str, last: str, cities: str, *, surname_first: bool = False
) -> Region:
    """The region of a table's row: names with spaces between them, cities as `City=number, City`."""
    places = (city.partition("=") for city in cities.split(", "))
    numbered = tuple((name, number or None) for name, _, number in places)
    return Region(share, country, tuple(first.split()), tuple(last.split()), numbered, surname_first)


HOME = "Sri Lanka"
REGIONS = (
    _make_region(
        380,
        HOME,
        "Nimali Kasun Dilani Ruwan Tharushi Chamara Sanduni Lahiru Ishara Priyantha Amaya Dinesh Hasini Nuwan Malsha "
        "Sunil Chathurika Buddhika Samanthi Thilina Ayesha Dhanushka Gayani Harsha Inoka Janaka Kumudu Lakmal Nadeesha "
        "Pradeep Rashmi Sampath Udara Vindya Yasith",
        "Perera Fernando Silva Bandara Jayasinghe Wickramasinghe Gunawardena Dissanayake Herath Ekanayake Weerasinghe "
        "Ranasinghe Senanayake Karunaratne Abeysekera Amarasinghe Dharmasena Edirisinghe Gamage Hettiarachchi "
        "Jayawardena Kulasekara Liyanage Mendis Pathirana",
        "Colombo, Kandy, Galle, Negombo, Matara, Kurunegala",
    ),
    _make_region(
        110,
        HOME,
        "Meena Suresh Kavitha Kumaran Thivya Rajan Vani Prakash Sumathi Haran Yalini Nirosh",
        "Nadarajah Sivakumar Selvarajah Kandasamy Arumugam Mahendran Thangarajah Ganeshan",
        "Jaffna, Batticaloa, Trincomalee, Colombo",
    ),
    _make_region(
        80,
        HOME,
        "Fathima Rizwan Zainab Imran Nazeera Farhan Aysha Rameez Shifa Azmi",
        "Mohamed Cader Marikar Ismail Hameed Saleem Ameen Thassim",
        "Colombo, Kalmunai, Beruwala, Puttalam",
    ),
    _make_region(70, HOME, "නිමාලි කසුන් දිලානි රුවන් තරුෂි ලහිරු", "පෙරේරා සිල්වා බණ්ඩාර ජයසිංහ හේරත්", "Kandy, Kurunegala"),
    _make_region(40, HOME, "மீனா சுரேஷ் கவிதா குமரன் திவ்யா", "நடராஜா சிவகுமார் செல்வராஜா கந்தசாமி", "Jaffna, Batticaloa"),
    _make_region(
        70,
        "India",
        "Aditi Rohan Neha Sachin Pooja Amit Manasi Nikhil",
        "Deshmukh Kulkarni Joshi Patil Deshpande Gokhale",
        "Mumbai, Pune, Nashik",
    ),
    _make_region(30, "India", "अदिति रोहन नेहा सचिन पूजा", "देशमुख कुलकर्णी जोशी पाटील", "Mumbai, Pune"),
    _make_region(
        70,
        "United Kingdom",
        "Olivia Jack Emily Thomas Grace Oliver Amelia Harry",
        "Clarke Hughes Bennett Foster Walker Shaw Barnes",
        "London=+44 20 7946 0###, Manchester=+44 161 496 0###, Leeds=+44 113 496 0###",
    ),
    _make_region(
        40,
        "Australia",
        "Charlotte Noah Ruby Liam Matilda Lachlan",
        "Taylor Mitchell Campbell Murphy Kelly",
        "Sydney=+61 2 5550 ####, Melbourne=+61 3 5550 ####, Brisbane=+61 7 5550 ####",
    ),
    _make_region(
        30,
        "Germany",
        "Hannah Jonas Lena Felix Jürgen Käthe",
        "Müller Schneider Weber Krüger Hoffmann",
        "Berlin=+49 30 23125 ###, Hamburg=+49 40 66969 ###, München=+49 89 99998 ###",
    ),
    _make_region(
        30,
        "France",
        "Chloé Mathieu Anaïs Julien Léa Théo",
        "Moreau Lefèvre Girard Dubois Roussel",
        "Paris=+33 1 99 00 ## ##, Lyon=+33 4 65 71 ## ##, Marseille=+33 4 65 71 ## ##",
    ),
    _make_region(
        20,
        "United States",
        "Emma Mason Sophia Ethan Abigail",
        "Miller Davis Anderson Carter Nelson",
        "Chicago=+1 312 555 01##, Boston=+1 617 555 01##",
    ),
    _make_region(15, "Japan", "美咲 翔太 陽菜 健太", "佐藤 鈴木 高橋 田中", "東京, 大阪, 京都", surname_first=True),
    _make_region(15, "United Arab Emirates", "فاطمة محمد عائشة أحمد", "المنصوري الكعبي الشامسي", "دبي, أبوظبي"),
)
SHARES = tuple(region.share for region in REGIONS)


@dataclass(frozen=True, slots=True)
class Person:
    """Who a customer is; what is None was never told to the shop."""

    name: str | None
    email: str | None
    phone: str | None
    country: str
    city: str


def make_person(random: Random, number: int) -> Person:
    """Somebody; the number makes the mail address nobody else's."""
    region = random.choices(REGIONS, SHARES)[0]
    first, last = random.choice(region.first_names), random.choice(region.surnames)
    city, pattern = random.choice(region.cities)
    email = f"{_make_mail_name(first, last)}{number}@example.{random.choice(('com', 'net', 'org'))}"
    phone = None if pattern is None else "".join(str(random.randrange(10)) if sign == "#" else sign for sign in pattern)
    return Person(
        None if random.random() < 0.02 else f"{last} {first}" if region.surname_first else f"{first} {last}",
        email if random.random() < 0.92 else None,
        phone if random.random() < 0.7 else None,
        region.country,
        city,
    )


def _make_mail_name(first: str, last: str) -> str:
    """The name in plain letters with a dot behind it; of a name in another script, the beginning of a word."""
    plain = unicodedata.normalize("NFKD", f"{first}.{last}.").encode("ascii", "ignore").decode().lower()
    return plain if plain.strip(".") else "customer."
