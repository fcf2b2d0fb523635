"""Figures of evidence in words: `green_s 28` is for programs, "28 s at its own green lamp" for people."""

from typing import Final, Literal

from city_brain.incidents.hypothesis import Note

_FIGURES: Final[dict[str, tuple[str, str]]] = {
    "free_s": ("{} s with nothing to explain it", "{} 秒无原因可解释"),
    "dim_s": ("{} s with nothing in view to explain it", "{} 秒视野内无原因可解释"),
    "beside_s": ("{} s beside standing vehicles", "{} 秒旁有停驶车辆"),
    "queued_s": ("{} s behind a slow vehicle", "{} 秒跟随慢车"),
    "line_s": ("{} s first at the stop line", "{} 秒在停止线首位"),
    "green_s": ("{} s at its own green lamp", "{} 秒本车道绿灯"),
    "offset_m": ("{} m from the middle of its lane", "偏离车道中心 {} 米"),
    "to_stop_m": ("{} m before the stop line", "距停止线 {} 米"),
    "vehicles": ("{} vehicles passed it", "{} 辆车绕行"),
    "brake_mps2": ("braked with {} m/s²", "减速度 {} 米/秒²"),
    "deviation_db": ("sensors agree within {} dB", "各传感器相差 {} 分贝"),
    "headings": ("from {} headings", "依据 {} 次航向"),
    "sine": ("sine of its angle to the lane {}", "与车道夹角正弦 {}"),
    "people": ("{} people", "{} 人"),
    "usual": ("{} are usual", "平时 {} 人"),
    "fill": ("queue fills {} of the lanes", "排队占车道 {}"),
    "limit": ("the limit is {}", "限值 {}"),
    "lasts_s": ("lasts {} s", "持续 {} 秒"),
    "smoke_s": ("smoke in {} s", "有烟 {} 秒"),
    "flames_s": ("flames in {} s", "有火焰 {} 秒"),
    "confidence": ("cameras are {} sure", "摄像机置信度 {}"),
    "value": ("reads {}", "读数 {}"),
    "expected": ("{} was expected", "预期 {}"),
    "rise_mm_per_min": ("rises by {} mm a minute", "每分钟上升 {} 毫米"),
    "rain_mm_h": ("{} mm of rain an hour", "雨强 {} 毫米/时"),
    "excess": ("{} more than expected", "高出预期 {}"),
    "readings": ("in {} readings", "{} 次读数"),
    "sensors": ("{} sensors", "{} 个传感器"),
    "strength_g_s": ("a source of {} g/s", "源强 {} 克/秒"),
    "wind_mps": ("wind of {} m/s", "风速 {} 米/秒"),
    "silent_s": ("silent for {} s", "静默 {} 秒"),
    "usual_gap_s": ("usually for {} s", "平时间隔 {} 秒"),
    "with_others": ("{} others near fell silent too", "附近另有 {} 个同时静默"),
    "on_red": ("{} passed on red", "{} 次闯红灯"),
    "crossings": ("{} crossings", "{} 次通过"),
    "arms": ("from {} arms", "来自 {} 个方向"),
    "shown_s": ("unchanged for {} s", "{} 秒未变化"),
    "speed_mps": ("at {} m/s", "车速 {} 米/秒"),
    "own_lane_m": ("{} m from a lane of its own direction", "距同向车道 {} 米"),
    "seconds": ("in {} s", "{} 秒内"),
    "depth_m": ("{} m inside the lane", "进入车道 {} 米"),
}
"""By name: in English and in Chinese, with the figure in braces."""

_SPENT: Final = frozenset({"free_s", "dim_s", "beside_s", "queued_s", "line_s", "green_s"})
"""Parts of one time: those that are nothing go without saying."""

_EITHER: Final[dict[tuple[str, bool], tuple[str, str]]] = {
    ("verified", True): ("it is known whether the noise went on", "已核实声音是否持续"),
    ("verified", False): ("not known yet whether the noise went on", "尚未核实声音是否持续"),
}


def figures(note: Note, language: Literal["zh", "en"]) -> list[str]:
    """The figures of a piece of evidence in words, in order of their names; others stay a name and a value."""
    at = 0 if language == "en" else 1
    said = []
    for name, value in sorted(note.items()):
        if name in _SPENT and not value:
            continue
        if isinstance(value, bool) and (name, value) in _EITHER:
            said.append(_EITHER[name, value][at])
        elif name in _FIGURES and not isinstance(value, bool):
            said.append(_FIGURES[name][at].format(value))
        else:
            said.append(f"{name} {value}")
    return said
