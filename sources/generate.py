"""Makes the sample: departments.csv, jobs.csv and hired_employees.csv, without header lines.

    python sources/generate.py                                    # the files of this folder, again
    python sources/generate.py --employees 200000 --out DIR       # the same shape, larger
    python sources/generate.py --incomplete 0 --out DIR           # no row without a field

The same arguments give the same bytes with every Python: of `random` only `Random.random()` is used, the one method
whose sequence is promised. Rows are written as they are made, so that any size takes the same memory.
"""

import argparse
import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

EMPLOYEES = 1_999
INCOMPLETE = 0.035
SEED = 2021

FIRST_DAY = datetime(2021, 1, 1, tzinfo=UTC)
TWO_YEARS = timedelta(days=730)
FIELDS_THAT_GO_MISSING = (1, 2, 3, 4)  # name, datetime, department_id, job_id: never the id


def _listed(text: str) -> list[str]:
    return [item.strip() for item in text.split("|")]


DEPARTMENTS = _listed("""
    Product Management | Sales | Research and Development | Business Development | Engineering | Human Resources |
    Services | Support | Marketing | Training | Legal | Accounting
""")

GRADED_JOBS = _listed("""
    Accountant | Administrative Assistant | Analyst Programmer | Automation Specialist | Biostatistician |
    Budget Analyst | Business Analyst | Chemical Engineer | Civil Engineer | Computer Systems Analyst |
    Data Engineer | Database Administrator | Developer | Electrical Engineer | Engineer | Geologist |
    Health Coach | Hardware Engineer | Media Manager | Network Engineer | Office Assistant | Product Designer |
    Programmer | Research Assistant | Safety Technician | Security Engineer | Software Test Engineer |
    Staff Accountant | Statistician | Web Designer
""")
GRADES = ("I", "II", "III", "IV")

OTHER_JOBS = _listed("""
    Account Executive | Actuary | Archivist | Assistant Manager | Associate Professor | Auditor | Cashier |
    Chief Data Officer | Chief Financial Officer | Chief of Staff | Clinical Specialist |
    Community Outreach Specialist | Compensation Analyst | Copywriter | Cost Accountant |
    Customer Success Manager | Data Protection Officer | Desktop Support Technician | Director of Sales |
    Director, Investor Relations | Editor | Environmental Specialist | Event Planner | Executive Secretary |
    Facilities Manager | Financial Adviser | Food Chemist | General Counsel | General Manager | Graphic Designer |
    Help Desk Operator | Illustrator | Information Systems Manager | Interior Designer | Internal Auditor |
    Junior Executive | Legal Assistant | Librarian | Logistics Planner | Marketing Assistant | Marketing Manager |
    Nurse | Occupational Therapist | Operator | Paralegal | Payroll Clerk | Pharmacist | Physician Assistant |
    Procurement Officer | Product Owner | Project Manager | Quality Control Specialist | Recruiter |
    Recruiting Manager | Registered Nurse | Sales Associate | Sales Representative | Senior Editor |
    Solutions Architect | Tax Accountant | Technical Writer | VP, Accounting | VP, Sales
""")

FIRST_NAMES = _listed("""
    Abigail | Adam | Aisha | Alejandro | Alice | Amélie | Anders | Andrea | Anne | Arthur | Beatriz | Bjørn |
    Brian | Camila | Carlos | Chloé | Chris | Daniela | David | Diego | Élodie | Emma | Erik | Esther | Fatima |
    Felix | Fernanda | François | Gabriel | Grace | Guðrún | Hannah | Hélène | Henry | Ines | Ivan | Jakub |
    James | Jürgen | João | Julia | Karin | Katarzyna | Kevin | Laura | Léa | Liam | Łukasz | Lucía | Maria |
    Matthew | Mónica | Nadia | Nuño | Olga | Oscar | Patrick | Paula | Peter | Rachel | Renée | Ricardo | Ruth |
    Samuel | Sara | Siobhán | Sofía | Søren | Thomas | Tomáš | Ursula | Valeria | Victor | William | Ximena |
    Yara | Zoë | Žofie
""")
LAST_NAMES = _listed("""
    Adams | Ahmed | Andersson | Baker | Becker | Björklund | Brown | Castillo | Çelik | Chen | Clark | D'Angelo |
    D'Souza | Da Silva | Davies | Díaz | Dubois | Dvořák | Evans | Fernández | Fischer | García | Gómez |
    González | Green | Guðmundsson | Hernández | Horváth | Hughes | Ionescu | Jansen | Johnson | Jones | Kim |
    Kowalski | Krüger | Lee | Lefèvre | Lévêque | López | MacDonald | Martin | Martínez | Meyer | Müller |
    N'Diaye | Nagy | Nguyễn | Novák | Núñez | O'Brien | O'Connor | O'Neill | Öztürk | Patel | Peña | Pérez |
    Petrović | Popescu | Quiñones | Ramírez | Rodríguez | Rossi | Şahin | Sánchez | Santos | Schmidt | Silva |
    Singh | Smith | Sørensen | Strauß | Taylor | Thompson | Torres | Turner | Vázquez | Walker | Weiß | Williams |
    Wójcik | Wright | Young | Żak | Zhang
""")
# The last one has a letter beyond the Basic Multilingual Plane: four bytes in UTF-8, which `utf8mb3` cannot hold.
NAMES_IN_OTHER_SCRIPTS = _listed("""
    王芳 | 李伟 | 山本さくら | 김민준 | Иван Петров | Олена Шевченко | Ελένη Παπαδοπούλου | محمد علي | שירה כהן |
    प्रिया शर्मा | สมชาย ใจดี | 𠮷田花子
""")


def departments() -> Iterator[tuple[str, ...]]:
    """The twelve rows (id, department)."""
    return ((str(number), name) for number, name in enumerate(DEPARTMENTS, 1))


def jobs() -> Iterator[tuple[str, ...]]:
    """The 183 rows (id, job), in the order of the titles."""
    titles = [f"{job} {grade}" for job in GRADED_JOBS for grade in GRADES] + OTHER_JOBS
    return ((str(number), title) for number, title in enumerate(sorted(titles), 1))


def employees(count: int = EMPLOYEES, incomplete: float = INCOMPLETE, seed: int = SEED) -> Iterator[tuple[str, ...]]:
    """`count` rows (id, name, datetime, department_id, job_id), of which the share `incomplete` lacks one field.

    The number of incomplete rows is exact (rounded), and the fields take turns at missing.
    """
    random = Random(seed)  # noqa: S311 - invented people, the same for the same seed; nothing secret
    wanting, made = round(count * incomplete), 0
    job_count = len(GRADED_JOBS) * len(GRADES) + len(OTHER_JOBS)
    for number in range(1, count + 1):
        row = [
            str(number),
            _name(random),
            (FIRST_DAY + int(random.random() * TWO_YEARS.total_seconds()) * timedelta(seconds=1)).strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            ),
            str(1 + int(random.random() * len(DEPARTMENTS))),
            str(1 + int(random.random() * job_count)),
        ]
        # Selection sampling (Knuth, TAOCP 3.4.2, algorithm S): an exact number, spread evenly, in one pass.
        if random.random() * (count + 1 - number) < wanting - made:
            row[FIELDS_THAT_GO_MISSING[made % len(FIELDS_THAT_GO_MISSING)]] = ""
            made += 1
        yield tuple(row)


def generate(out: Path, count: int = EMPLOYEES, incomplete: float = INCOMPLETE, seed: int = SEED) -> None:
    """Write the three files to the folder `out`. jobs.csv has CRLF line ends, as files from elsewhere often do."""
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "departments.csv", departments(), "\n")
    _write(out / "jobs.csv", jobs(), "\r\n")
    _write(out / "hired_employees.csv", employees(count, incomplete, seed), "\n")


def _name(random: Random) -> str:
    first, last = _one_of(FIRST_NAMES, random), _one_of(LAST_NAMES, random)
    shape = random.random()
    if shape < 0.02:
        return f"{last}, Jr., {first}"
    if shape < 0.03:
        return f'{first} "{first[:3]}" {last}'
    if shape < 0.05:
        return _one_of(NAMES_IN_OTHER_SCRIPTS, random)
    return f"{first} {last}"


def _one_of(values: Sequence[str], random: Random) -> str:
    return values[int(random.random() * len(values))]


def _write(path: Path, rows: Iterable[Sequence[str]], line_end: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator=line_end).writerows(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line: see the module's text."""
    parser = argparse.ArgumentParser(description="Makes the sample's three CSV files.")
    parser.add_argument("--employees", type=int, default=EMPLOYEES, metavar="N", help="rows of hired_employees.csv")
    parser.add_argument("--incomplete", type=float, default=INCOMPLETE, metavar="SHARE", help="from 0 to 1")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, metavar="DIR")
    options = parser.parse_args(arguments)
    if options.employees < 0 or not 0 <= options.incomplete <= 1:
        parser.error("--employees must not be negative, and --incomplete is a share from 0 to 1")
    generate(options.out, options.employees, options.incomplete, options.seed)


if __name__ == "__main__":
    main()
