/** What the page says, in Chinese and English: two dictionaries with the same keys, `{0}` where a value goes. */
'use strict';

const WORDS = {
  en: {
    product: 'city-brain', report: 'Report', live: 'Live', late: 'Late {0} s', lost: 'Connection lost', joining: 'Connecting',
    back: 'Looking back', as_known: 'As it was known at', now: 'To the end', now_live: 'Back to now', loading: 'Loading the city …',
    no_data: 'This page holds no city.', refused: 'The server refuses: {0}', sources_live: '{0} sources speak',
    sources_silent: '{0} silent', blind_now: '{0} blind', help: 'Help', theme: 'Light or dark', language: '中文', close: 'Close',
    map: 'Map of the city', map_help: 'Arrow keys move, + and − zoom, 0 shows all', zoom_in: 'Closer', zoom_out: 'Farther', fit: 'Show all',
    layers: 'Layers', l_incidents: 'Incidents', l_cameras: 'Cameras', l_views: 'What cameras see', l_signals: 'Signals', l_sensors: 'Sensors', l_names: 'Names',
    legend: 'Legend', level: 'Level', levels: 'Levels', no_level: 'No level', level_I: 'I, gravest', level_II: 'II', level_III: 'III', level_IV: 'IV, lightest',
    state: 'State', states: 'States', types: 'Types', suspected: 'Suspected', active: 'Active', ended: 'Ended', withdrawn: 'Withdrawn',
    camera: 'Camera', camera_blind: 'Camera, blind', missed: 'Really happened, not announced', metres: '{0} m', kilometres: '{0} km',
    incidents: 'Incidents', filters: 'Filters', reset: 'Reset', search: 'Search: number, place, source', min_confidence: 'Confidence from', shown_of: '{0} of {1}',
    none: 'Nothing fits these filters at this time.', none_yet: 'Nothing was known yet at this time.', more_news: '{0} new: show',
    limits: '{0}: {1} of {2} shown', lm_incidents: 'incidents', lm_revisions: 'revisions', lm_curves: 'incidents with curves', lm_blind: 'times of blindness',
    lm_lanes: 'lanes', lm_cameras: 'cameras', lm_signals: 'signals', lm_sensors: 'sensors', lm_areas: 'areas', lm_forgotten: 'incidents since the page was opened',
    confidence: 'Confidence', number: 'Number', place: 'Place', position: 'Position', times: 'Times', began: 'Began', announced: 'Announced', never_announced: 'never announced',
    updated: 'As of', over: 'Over', still_on: 'goes on', after_s: '+{0} s', rule: 'Rule', thresholds: 'version {0}: suspected from {1}, announced from {2}, over below {3}',
    road: 'Road', junction: 'Junction', area: 'Area', extent: 'Extent', radius: 'radius {0} m', why: 'Why it is believed', evidence: 'Evidence', weight: 'Log-odds', sources: 'Sources',
    for: 'For', against: 'Against', joined: 'Joined or explained', not_counted: 'Listed, not counted', prior: 'Prior', prior_why: 'what is thought of any such suspicion',
    rest: 'Rounding, and what is not listed', calibration: 'Calibration', calibration_why: 'how often such a sum was right, by worlds with truth', sum: 'Sum', sum_is: 'which is confidence {0}', from_announced: 'announced from {0}',
    elsewhen: 'What spoke against it at other times', believed: 'How the belief moved', timeline: 'Revisions', revision: 'Revision', revisions_of: '{0} of {1} revisions', go_there: 'Show this time',
    curves: 'Readings around it', usual: 'usual', value: 'reading', threshold: 'limit', no_curves: 'No sensor or road of it was read often enough for a curve.', road_speed: 'Mean speed of vehicles', road_queue: 'Queue, all lanes',
    text: 'As the command line tells it', copy: 'Copy', copied: 'Copied', truth: 'In truth', truth_false: 'a false alarm', tag_false: 'false', truth_real: 'real', score: '{0} real, {1} found, {2} missed, {3} false',
    reason: 'Reason', faded: 'what spoke for it went away', explained_by: 'explained by {0}', merged_into: 'merged into {0}', type_removed: 'its type is no longer looked for', feed_replaced: 'its city began another feed',
    play: 'Play', pause: 'Pause', speed: 'Speed', time: 'Time', speed_x: '{0}×', time_help: 'The world as it was known at this time',
    k_move: 'next, previous incident', k_open: 'show on the map', k_close: 'back', k_search: 'search', k_play: 'play or pause', k_time: '10 s back, on', k_help: 'this help',
    k_language: 'language', k_theme: 'light or dark', k_fit: 'show the whole city', k_letters: 'Single letters work unless something is being typed.', ready: 'Readiness', rows: 'Rows', rows_read: 'read', rows_used: 'used', made_by: 'Made by {0}; loads nothing',
    unmapped: 'report', see_source: 'Show {0} on the map', silent_since: 'silent since {0}', never_spoke: 'has never spoken', ready_until: 'until {0}', not_counted_yet: 'no confidence', details: 'Details', list: 'List',
    no_selection: 'Choose an incident in the list or on the map: here stands why it is believed.', status_exercise: 'exercise', status_test: 'test', status_replay: 'replay', earlier: 'This revision is not the newest: the time is set back.', not_yet: 'At the time that is shown nothing was known of it: this is its first revision.',
  },
  zh: {
    product: '城市大脑', report: '报告', live: '实时', late: '延迟 {0} 秒', lost: '连接中断', joining: '正在连接',
    back: '回看', as_known: '当时所知', now: '到最后', now_live: '回到现在', loading: '正在载入城市…',
    no_data: '本页不含城市数据。', refused: '服务器拒绝：{0}', sources_live: '{0} 个来源在线',
    sources_silent: '{0} 个静默', blind_now: '{0} 个失明', help: '帮助', theme: '明暗', language: 'English', close: '关闭',
    map: '城市地图', map_help: '方向键移动，+ 与 − 缩放，0 显示全部', zoom_in: '放大', zoom_out: '缩小', fit: '全部显示',
    layers: '图层', l_incidents: '事件', l_cameras: '摄像机', l_views: '摄像机视域', l_signals: '信号机', l_sensors: '传感器', l_names: '名称',
    legend: '图例', level: '等级', levels: '等级', no_level: '未定级', level_I: 'Ⅰ级 最重', level_II: 'Ⅱ级', level_III: 'Ⅲ级', level_IV: 'Ⅳ级 最轻',
    state: '状态', states: '状态', types: '类型', suspected: '疑似', active: '已发布', ended: '已结束', withdrawn: '已撤回',
    camera: '摄像机', camera_blind: '摄像机（失明）', missed: '确有其事，未发布', metres: '{0} 米', kilometres: '{0} 公里',
    incidents: '事件', filters: '筛选', reset: '重置', search: '搜索：编号、地点、来源', min_confidence: '置信度不低于', shown_of: '{0} / {1}',
    none: '此刻没有符合筛选条件的事件。', none_yet: '此刻尚无所知事件。', more_news: '{0} 条新事件：显示',
    limits: '{0}：显示 {1}，共 {2}', lm_incidents: '事件', lm_revisions: '版本', lm_curves: '有曲线的事件', lm_blind: '失明时段',
    lm_lanes: '车道', lm_cameras: '摄像机', lm_signals: '信号机', lm_sensors: '传感器', lm_areas: '区域', lm_forgotten: '打开本页以来的事件',
    confidence: '置信度', number: '编号', place: '地点', position: '坐标', times: '时间', began: '发生', announced: '发布', never_announced: '从未发布',
    updated: '截至', over: '结束', still_on: '持续中', after_s: '+{0} 秒', rule: '规则', thresholds: '第{0}版：{1} 起疑似，{2} 起发布，低于 {3} 结束',
    road: '道路', junction: '路口', area: '区域', extent: '范围', radius: '半径 {0} 米', why: '为何可信', evidence: '证据', weight: '对数优势', sources: '来源',
    for: '支持', against: '反对', joined: '并入或由其解释', not_counted: '列出但不计入', prior: '先验', prior_why: '对此类疑似的一般看法',
    rest: '舍入及未列出部分', calibration: '校准', calibration_why: '在真值已知的城市中，这样的合计有多常属实', sum: '合计', sum_is: '即置信度 {0}', from_announced: '{0} 起发布',
    elsewhen: '其他时刻的反对证据', believed: '置信度变化', timeline: '版本', revision: '版本', revisions_of: '{0} / {1} 个版本', go_there: '显示该时刻',
    curves: '前后读数', usual: '常态', value: '读数', threshold: '限值', no_curves: '没有足够读数可画曲线的传感器或道路。', road_speed: '车辆平均速度', road_queue: '排队长度（各车道合计）',
    text: '命令行的说明', copy: '复制', copied: '已复制', truth: '真实情况', truth_false: '误报', tag_false: '误报', truth_real: '属实', score: '真实 {0}，发现 {1}，漏报 {2}，误报 {3}',
    reason: '原因', faded: '支持它的证据已消失', explained_by: '由 {0} 解释', merged_into: '并入 {0}', type_removed: '该类型已不再检测', feed_replaced: '所属城市已另起数据流',
    play: '播放', pause: '暂停', speed: '速度', time: '时间', speed_x: '{0} 倍', time_help: '显示当时所知的情况',
    k_move: '下一个、上一个事件', k_open: '在地图上显示', k_close: '返回', k_search: '搜索', k_play: '播放或暂停', k_time: '后退、前进 10 秒', k_help: '本帮助',
    k_language: '语言', k_theme: '明暗', k_fit: '显示整个城市', k_letters: '未在输入文字时，单个字母键有效。', ready: '戒备', rows: '数据行', rows_read: '读入', rows_used: '采用', made_by: '由 {0} 生成；不联网',
    unmapped: '群众报告', see_source: '在地图上显示 {0}', silent_since: '{0} 起静默', never_spoke: '从未上线', ready_until: '至 {0}', not_counted_yet: '无置信度', details: '详情', list: '列表',
    no_selection: '请在列表或地图中选择事件：此处说明为何可信。', status_exercise: '演练', status_test: '测试', status_replay: '回放', earlier: '这不是最新版本：时间已拨回。', not_yet: '所示时刻尚不知此事：此处为其第一个版本。',
  },
};

/** Quantities and incident types in words, and the mark of a type on the map; what is not here is shown as it is called. */
const NAMES = {
  en: {
    noise: 'Noise', rain: 'Rain', water_level: 'Water level', wind_speed: 'Wind speed', wind_direction: 'Wind direction', temperature: 'Temperature', humidity: 'Humidity', pressure: 'Pressure',
    visibility: 'Visibility', illuminance: 'Illuminance', flow: 'Flow', occupancy: 'Occupancy', speed: 'Speed', queue_length: 'Queue length', discharge: 'Discharge', pm2_5: 'PM2.5', pm10: 'PM10',
    crash: 'Crash', congestion: 'Congestion', crowd: 'Crowd', fire: 'Fire', pollution: 'Pollution source', waterlogging: 'Water on the road', wrong_way: 'Wrong-way driver', stopped_vehicle: 'Stopped vehicle',
    red_light_running: 'Red-light running', signal_fault: 'Signal fault', pedestrian_on_carriageway: 'Pedestrian on the carriageway', coverage_lost: 'Sensing lost', person_report: 'Report by people',
    mark_crash: 'Cr', mark_congestion: 'Jm', mark_crowd: 'Cd', mark_fire: 'Fi', mark_pollution: 'Po', mark_waterlogging: 'Wa', mark_wrong_way: 'Ww', mark_stopped_vehicle: 'St',
    mark_red_light_running: 'Rl', mark_signal_fault: 'Sf', mark_pedestrian_on_carriageway: 'Pd', mark_coverage_lost: 'Bl', mark_person_report: 'Rp',
  },
  zh: {
    noise: '噪声', rain: '降雨', water_level: '水位', wind_speed: '风速', wind_direction: '风向', temperature: '气温', humidity: '湿度', pressure: '气压',
    visibility: '能见度', illuminance: '照度', flow: '流量', occupancy: '占有率', speed: '速度', queue_length: '排队长度', discharge: '流量（水）', pm2_5: 'PM2.5', pm10: 'PM10',
    crash: '交通事故', congestion: '交通拥堵', crowd: '人群聚集', fire: '火情', pollution: '污染源', waterlogging: '道路积水', wrong_way: '车辆逆行', stopped_vehicle: '车辆停驶',
    red_light_running: '闯红灯', signal_fault: '信号故障', pedestrian_on_carriageway: '行人入机动车道', coverage_lost: '感知中断', person_report: '群众报告',
    mark_crash: '撞', mark_congestion: '堵', mark_crowd: '群', mark_fire: '火', mark_pollution: '污', mark_waterlogging: '涝', mark_wrong_way: '逆', mark_stopped_vehicle: '停',
    mark_red_light_running: '闯', mark_signal_fault: '灯', mark_pedestrian_on_carriageway: '人', mark_coverage_lost: '盲', mark_person_report: '报',
  },
};

/** The language that is shown. @type {'en' | 'zh'} */
let language = (navigator.language || 'en').toLowerCase().startsWith('zh') ? 'zh' : 'en';

/** What the page says under a key, with values filled in. @param {string} key @param {...*} values @returns {string} */
function say(key, ...values) {
  const text = own(WORDS[language], key);
  return values.reduce((said, value, at) => said.replace(`{${at}}`, () => String(value)), text === undefined ? key : text);
}

/** A quantity or mark in words, or null where there are none. @param {string} name @returns {string | null} */
function named(name) {
  return own(NAMES[language], name) ?? null;
}

/** The word of two that belongs to the language. @param {{zh?: string, en?: string}} words @returns {string} */
function inLanguage(words) {
  return words[language] || words.en || words.zh || '';
}
