"""What a person can do about each reason that holds: the operators' table in short, in every language side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from controller.core.reasons import Code

_PROFILE: Final = (
    "Compare with the meter's display; correct `profile`.",
    "میٹر کے ڈسپلے سے موازنہ کریں؛ `profile` درست کریں۔",
    "Bandingkan dengan tampilan meter; betulkan `profile`.",
)
_CLAMP: Final = (
    "Compare with a clamp meter; correct `profile`, `sign` or `ct_ratio`.",
    "کلیمپ میٹر سے موازنہ کریں؛ `profile`، `sign` یا `ct_ratio` درست کریں۔",
    "Bandingkan dengan tang ampere; betulkan `profile`, `sign` atau `ct_ratio`.",
)
_BROKER: Final = (
    "`systemctl status mosquitto` on the broker's machine: it logs why it refuses. The fleet goes down by itself as leases end.",
    "بروکر کی مشین پر `systemctl status mosquitto`: انکار کی وجہ وہاں درج ہے۔ لیز ختم ہونے پر مشینیں خود نیچے آ جاتی ہیں۔",
    "`systemctl status mosquitto` di mesin broker: sebab penolakan tercatat di sana. Armada turun sendiri saat masa sewa berakhir.",
)
_SOURCE: Final = (
    "Ask the grid operator; nothing rises meanwhile.",
    "گرڈ آپریٹر سے پوچھیں؛ اِس دوران کچھ نہیں بڑھتا۔",
    "Tanyakan operator jaringan; sementara itu tidak ada yang naik.",
)
_WAIT: Final = ("Wait.", "انتظار کریں۔", "Tunggu.")
_NOTHING: Final = ("Nothing.", "کچھ نہیں۔", "Tidak ada.")
_TRIP: Final = (
    "Find out why it was cut off and repair that; then `surplusd trip reset`.",
    "معلوم کریں بجلی کیوں کٹی اور اُسے ٹھیک کریں؛ پھر `surplusd trip reset`۔",
    "Cari tahu sebab pemutusan dan perbaiki; lalu `surplusd trip reset`.",
)

#: By code: English, Urdu, Indonesian.
REMEDIES: Final[Mapping[Code, tuple[str, str, str]]] = {
    Code.STARTING: _WAIT,
    Code.STEADYING: _WAIT,
    Code.NO_TICK: ("Wait a few seconds; if it stays, look at the journal of systemd.", "چند سیکنڈ انتظار کریں؛ نہ جائے تو systemd کا جرنل دیکھیں۔", "Tunggu beberapa detik; bila tetap, lihat jurnal systemd."),
    Code.TICK_STANDS: ("Systemd starts the controller anew. Report it with the journal of systemd.", "systemd کنٹرولر کو نئے سرے سے چلاتا ہے۔ systemd کے جرنل کے ساتھ اطلاع دیں۔", "Systemd memulai ulang pengendali. Laporkan dengan jurnal systemd."),
    Code.STEP_FAILED: ("Report it with the line `step_failed` of the journal of systemd.", "systemd کے جرنل کی سطر `step_failed` کے ساتھ اطلاع دیں۔", "Laporkan dengan baris `step_failed` dari jurnal systemd."),
    Code.SOURCE_LOST: ("Look at the cable, the gateway and the power of the meter.", "میٹر کی تار، گیٹ وے اور بجلی دیکھیں۔", "Periksa kabel, gateway dan catu daya meter."),
    Code.SAMPLE_INVALID: ("Compare `profile` and address with the meter's manual. A meter that has just started needs a while.", "`profile` اور پتہ میٹر کی کتاب سے ملائیں۔ ابھی شروع ہوا میٹر کچھ وقت لیتا ہے۔", "Bandingkan `profile` dan alamat dengan buku meter. Meter yang baru mulai perlu waktu."),
    Code.SAMPLE_DOUBTED: ("Look at the display of the meter or of the server between; ask who maintains it.", "میٹر یا درمیانی سرور کا ڈسپلے دیکھیں؛ نگران سے پوچھیں۔", "Lihat tampilan meter atau server di antaranya; tanya perawatnya."),
    Code.SAMPLE_NOT_FINITE: ("Compare `profile` and address with the manual: word order and type.", "`profile` اور پتہ کتاب سے ملائیں: الفاظ کی ترتیب اور قسم۔", "Bandingkan `profile` dan alamat dengan buku: urutan kata dan jenis."),
    Code.SAMPLE_ALL_ZERO: ("Wait a minute; then see whether the meter has power.", "ایک منٹ انتظار کریں؛ پھر دیکھیں میٹر کو بجلی مل رہی ہے یا نہیں۔", "Tunggu satu menit; lalu lihat apakah meter bertenaga."),
    Code.VALUE_NOTED: ("Ask who did it and when it ends.", "پوچھیں کس نے کیا اور کب ختم ہو گا۔", "Tanya siapa yang melakukannya dan kapan selesai."),
    Code.METER_NEVER_READ: ("Check address, port, unit and firewall: `nc -vz HOST 502`.", "پتہ، پورٹ، یونٹ اور فائر وال دیکھیں: `nc -vz HOST 502`۔", "Periksa alamat, port, unit dan firewall: `nc -vz HOST 502`."),
    Code.METER_SILENT: ("Look at the cable, the gateway and the power of the meter.", "میٹر کی تار، گیٹ وے اور بجلی دیکھیں۔", "Periksa kabel, gateway dan catu daya meter."),
    Code.METER_OFF_GRID: ("Compare with the display; correct `profile` or `grid.frequency`.", "ڈسپلے سے موازنہ کریں؛ `profile` یا `grid.frequency` درست کریں۔", "Bandingkan dengan tampilan; betulkan `profile` atau `grid.frequency`."),
    Code.METER_OVER_RATING: ("Compare with the display; correct `profile`, `ct_ratio` or `rating`.", "ڈسپلے سے موازنہ کریں؛ `profile`، `ct_ratio` یا `rating` درست کریں۔", "Bandingkan dengan tampilan; betulkan `profile`, `ct_ratio` atau `rating`."),
    Code.METER_OVER_AMPERES: _PROFILE,
    Code.METER_UNDER_AMPERES: _PROFILE,
    Code.METER_PHASES_APART: _PROFILE,
    Code.METER_FROZEN: ("Restart it, or its gateway; it is believed again with the first value that moves.", "اُسے یا اُس کے گیٹ وے کو دوبارہ چلائیں؛ پہلی بدلتی قدر سے پھر مانا جائے گا۔", "Mulai ulang meter atau gatewaynya; dipercaya lagi dengan nilai pertama yang berubah."),
    Code.COUNTERS_FROZEN: _PROFILE,
    Code.COUNTERS_REVERSED: ("Correct `sign` or the profile.", "`sign` یا پروفائل درست کریں۔", "Betulkan `sign` atau profilnya."),
    Code.COUNTERS_WITHOUT_POWER: ("Correct the profile.", "پروفائل درست کریں۔", "Betulkan profilnya."),
    Code.COUNTERS_OFF: ("Correct the profile; take the energies out of it if the counters are broken.", "پروفائل درست کریں؛ کاؤنٹر خراب ہوں تو توانائی نکال دیں۔", "Betulkan profilnya; keluarkan energinya bila penghitung rusak."),
    Code.STEPS_NOT_FOLLOWED: ("Measure with a clamp meter; correct `sign`, `ct_ratio`, `profile` or `node`.", "کلیمپ میٹر سے ناپیں؛ `sign`، `ct_ratio`، `profile` یا `node` درست کریں۔", "Ukur dengan tang ampere; betulkan `sign`, `ct_ratio`, `profile` atau `node`."),
    Code.METERS_DISAGREE: ("Compare both with a clamp meter.", "دونوں کا کلیمپ میٹر سے موازنہ کریں۔", "Bandingkan keduanya dengan tang ampere."),
    Code.METERS_SHORT: _CLAMP,
    Code.METER_ALONE: ("Bring back the other meter: nothing cross-checks this one now.", "دوسرا میٹر واپس لائیں: اب اِسے کوئی نہیں جانچتا۔", "Hidupkan kembali meter lain: sekarang tidak ada yang menguji silang."),
    Code.METER_UNPROVEN: ("Wait a minute or two for the step; else bring back the other meter.", "ایک دو منٹ قدم کا انتظار کریں؛ ورنہ دوسرا میٹر واپس لائیں۔", "Tunggu satu dua menit; bila tidak, hidupkan kembali meter lain."),
    Code.METER_UNCONFIRMED: ("Compare it with a clamp meter; or bring back the silent one.", "کلیمپ میٹر سے موازنہ کریں؛ یا خاموش میٹر واپس لائیں۔", "Bandingkan dengan tang ampere; atau hidupkan kembali yang diam."),
    Code.METER_CONFIRMED: ("Bring back the other meter.", "دوسرا میٹر واپس لائیں۔", "Hidupkan kembali meter lain."),
    Code.NO_SITE_METER: ("Bring back one meter at the site's connection.", "سائٹ کے کنکشن کا ایک میٹر واپس لائیں۔", "Hidupkan kembali satu meter di sambungan lokasi."),
    Code.SURPLUS_NEVER_READ: ("Check endpoint, node id, certificate and user of the source.", "ماخذ کا پتہ، نوڈ، سرٹیفکیٹ اور صارف دیکھیں۔", "Periksa alamat, node, sertifikat dan pengguna sumber."),
    Code.SURPLUS_SILENT: _SOURCE,
    Code.SURPLUS_STALE: _SOURCE,
    Code.SURPLUS_FROZEN: ("Look at the source's own display; restart the gateway.", "ماخذ کا اپنا ڈسپلے دیکھیں؛ گیٹ وے دوبارہ چلائیں۔", "Lihat tampilan sumber; mulai ulang gateway."),
    Code.LINK_DOWN: _BROKER,
    Code.LINK_LOST: _BROKER,
    Code.SECOND_CONTROLLER: ("Find the other one and stop it; if nobody knows of one, the key is stolen: make new keys.", "دوسرے کو ڈھونڈ کر روکیں؛ کسی کو معلوم نہ ہو تو کلید چوری ہوئی: نئی کلیدیں بنائیں۔", "Cari yang lain dan hentikan; bila tak ada yang tahu, kuncinya dicuri: buat kunci baru."),
    Code.AGENT_SILENT: ("Look at the agent's machine and its network. If power has to come down, switch its devices off by hand.", "ایجنٹ کی مشین اور نیٹ ورک دیکھیں۔ بجلی کم کرنی ہو تو مشینیں ہاتھ سے بند کریں۔", "Periksa mesin agen dan jaringannya. Bila daya harus turun, matikan perangkatnya dengan tangan."),
    Code.AGENT_DEAF: ("See `set_refused` beside it; without that, the broker's ACL for its `set` topic.", "ساتھ `set_refused` دیکھیں؛ وہ نہ ہو تو بروکر میں `set` ٹاپک کی اجازت۔", "Lihat `set_refused` di sampingnya; bila tak ada, ACL broker untuk topik `set`."),
    Code.DEVICE_LOST: ("Look at the devices and their switch; the agent's log names them.", "مشینیں اور اُن کا سوئچ دیکھیں؛ ایجنٹ کے لاگ میں نام ہیں۔", "Periksa perangkat dan sakelar jaringannya; log agen menyebut namanya."),
    Code.DEVICE_DEFIANT: ("Restart them or take their power away; the agent's log names them.", "اُنھیں دوبارہ چلائیں یا بجلی کاٹ دیں؛ ایجنٹ کے لاگ میں نام ہیں۔", "Mulai ulang atau putus dayanya; log agen menyebut namanya."),
    Code.DEVICE_RELUCTANT: ("If it lasts: look at the device (tripped, too hot, no work), then at the agent's log.", "دیر تک رہے تو مشین دیکھیں (ٹرپ، گرم، کام نہیں)، پھر ایجنٹ کا لاگ۔", "Bila berlanjut: periksa perangkat (putus, panas, tanpa kerja), lalu log agen."),
    Code.STEP_DEFIED: ("Switch the groups below it off by hand, one by one, and see which of them the meter does not notice.", "اُس کے نیچے کے گروہ ایک ایک کر کے ہاتھ سے بند کریں، دیکھیں میٹر کس کو محسوس نہیں کرتا۔", "Matikan kelompok di bawahnya satu per satu; lihat mana yang tidak dirasakan meter."),
    Code.OVER_ENVELOPE: ("At once: see the other reasons here, and switch devices off by hand. If there are none, compare the feeders.", "فوراً: یہاں کی دوسری وجوہات دیکھیں اور مشینیں ہاتھ سے بند کریں۔ وجہ نہ ہو تو فیڈروں کا موازنہ کریں۔", "Segera: lihat sebab lain di sini, dan matikan perangkat dengan tangan. Bila tak ada, bandingkan penyulang."),
    Code.NODE_UNSEEN: ("Give the node a meter, or agree on an order for a node that has one.", "نوڈ پر میٹر لگائیں، یا میٹر والے نوڈ کا حکم طے کریں۔", "Beri simpul sebuah meter, atau sepakati perintah untuk simpul bermeter."),
    Code.CARRIES_WORSE: ("Declare worse values at the node's `carries`: without its meter it would carry too much.", "نوڈ کے `carries` میں اس سے بدتر قدریں لکھیں: میٹر کے بغیر وہ حد سے زیادہ اٹھائے گا۔", "Nyatakan nilai yang lebih buruk pada `carries` simpul: tanpa meternya ia memikul terlalu banyak."),
    Code.NODE_TRIPPED: _TRIP,
    Code.TRIP_UNREADABLE: _TRIP,
    Code.CONTACTOR_DEFIANT: ("Go there and open it, or the breaker above it, by hand.", "وہاں جا کر اُسے یا اوپر کا بریکر ہاتھ سے کھولیں۔", "Datangi dan buka dengan tangan, atau pemutus di atasnya."),
    Code.CONTACTOR_UNPROVEN: ("Bring back the meter; look at the contactor and its auxiliary contact.", "میٹر واپس لائیں؛ کنٹیکٹر اور اُس کا معاون کنٹیکٹ دیکھیں۔", "Hidupkan kembali meter; periksa kontaktor dan kontak bantunya."),
    Code.CONTACTOR_LOST: ("Look at cable, gateway and power of the contactor, or at its agent.", "کنٹیکٹر کی تار، گیٹ وے اور بجلی، یا اُس کا ایجنٹ دیکھیں۔", "Periksa kabel, gateway dan daya kontaktor, atau agennya."),
    Code.CONTACTOR_OPEN: ("Find out who opened it; close it with `surplusd trip reset`.", "معلوم کریں کس نے کھولا؛ `surplusd trip reset` سے بند کریں۔", "Cari tahu siapa yang membukanya; tutup dengan `surplusd trip reset`."),
    Code.RESET_VOID: ("See the reasons of the doubt, or `contactor_lost`; then reset it again.", "شک کی وجوہات یا `contactor_lost` دیکھیں؛ پھر دوبارہ بحال کریں۔", "Lihat sebab keraguan, atau `contactor_lost`; lalu reset lagi."),
    Code.LOCKED: _NOTHING,
    Code.LOCK_UNPROVEN: ("Nobody works there yet. After a minute see `device_defiant`, `device_lost`, `agent_silent`; switch off by hand.", "ابھی وہاں کوئی کام نہ کرے۔ ایک منٹ بعد `device_defiant`، `device_lost`، `agent_silent` دیکھیں؛ ہاتھ سے بند کریں۔", "Jangan bekerja di sana dulu. Setelah satu menit lihat `device_defiant`, `device_lost`, `agent_silent`; matikan dengan tangan."),
    Code.SITE_STOPPED: ("`surplusd resume` when the cause is over.", "وجہ ختم ہونے پر `surplusd resume`۔", "`surplusd resume` bila sebabnya selesai."),
    Code.SITE_FILE_NOT_TAKEN: ("Finish the file, `surplusd check`, `surplusd reload`; for what waits `systemctl restart surplusd`.", "فائل مکمل کریں، `surplusd check`، `surplusd reload`؛ باقی کے لیے `systemctl restart surplusd`۔", "Selesaikan berkas, `surplusd check`, `surplusd reload`; untuk sisanya `systemctl restart surplusd`."),
    Code.ORDERS_MAY_BE_MISSING: ("Let each authority that is named state all its orders; without one in the site file, an operator confirms.", "ہر نامزد اتھارٹی اپنے تمام احکام بتائے؛ سائٹ فائل میں کوئی نہ ہو تو آپریٹر تصدیق کرے۔", "Minta tiap otoritas yang disebut menyatakan semua perintahnya; bila tidak ada di berkas lokasi, operator mengonfirmasi."),
    Code.LOCKS_MAY_BE_MISSING: ("First ask who works where and set those locks again: `surplusd lock`. Then `surplusd locks confirm`.", "پہلے پوچھیں کون کہاں کام کر رہا ہے اور تالے دوبارہ لگائیں: `surplusd lock`۔ پھر `surplusd locks confirm`۔", "Tanya dulu siapa bekerja di mana dan pasang lagi kuncinya: `surplusd lock`. Lalu `surplusd locks confirm`."),
    Code.DEVICES_SHARED: ("Take the device out of one agent's file, and out of the site file what is not there.", "مشین کو ایک ایجنٹ کی فائل سے نکالیں، اور سائٹ فائل سے وہ جو موجود نہیں۔", "Keluarkan perangkat dari berkas salah satu agen, dan dari berkas lokasi yang tidak ada."),
    Code.DEVICES_MOVED: ("Look for another agent that has them, a person at their page, or a mode of their firmware that moves power.", "دیکھیں کوئی اور ایجنٹ، اُن کے صفحے پر کوئی شخص، یا فرم ویئر کا کوئی موڈ انھیں بدلتا ہے۔", "Cari agen lain yang memilikinya, orang di halamannya, atau mode firmware yang mengubah daya."),
    Code.DEVICES_STAY: ("If the agent's machine is dead: switch these off by hand, or open a contactor above them.", "ایجنٹ کی مشین بند ہو تو انھیں ہاتھ سے بند کریں، یا اُن کے اوپر کا کنٹیکٹر کھولیں۔", "Bila mesin agen mati: matikan dengan tangan, atau buka kontaktor di atasnya."),
    Code.POOLS_CHANGED: ("Look at their pools and set them right; find who else writes to them. Then restart the agent.", "اُن کے پول دیکھ کر درست کریں؛ معلوم کریں اور کون لکھتا ہے۔ پھر ایجنٹ دوبارہ چلائیں۔", "Periksa dan betulkan pool-nya; cari siapa lagi yang menulis. Lalu mulai ulang agen."),
    Code.CLOCK_APART: ("Find out what has set it; where it is right, `surplusd clock confirm`.", "معلوم کریں کس نے بدلی؛ درست ہو تو `surplusd clock confirm`۔", "Cari tahu apa yang mengubahnya; bila benar, `surplusd clock confirm`."),
    Code.CLOCK_UNANCHORED: ("Wait for the agents; then `surplusd clock confirm`.", "ایجنٹوں کا انتظار کریں؛ پھر `surplusd clock confirm`۔", "Tunggu agen; lalu `surplusd clock confirm`."),
    Code.CLOCK_UNKNOWN: ("Run the controller as its unit does: a container lacks the right.", "کنٹرولر کو اُس کی یونٹ کی طرح چلائیں: کنٹینر کو اجازت نہیں۔", "Jalankan pengendali seperti unitnya: wadah tidak punya hak."),
    Code.CLOCK_UNSYNCHRONISED: ("`chronyc tracking`: give it a time server that the site can reach.", "`chronyc tracking`: ایسا ٹائم سرور دیں جس تک سائٹ پہنچ سکے۔", "`chronyc tracking`: beri server waktu yang dapat dijangkau lokasi."),
    Code.CLOCK_TURNED: ("Wait for it to come to rest: `chronyc tracking`.", "ٹھہرنے کا انتظار کریں: `chronyc tracking`۔", "Tunggu sampai tenang: `chronyc tracking`."),
    Code.TIMES_OVERRULED: _NOTHING,
    Code.PROTECTION_OVERRULED: ("Agree on a limit that leaves the protected devices their power.", "ایسی حد طے کریں جو محفوظ مشینوں کی بجلی چھوڑے۔", "Sepakati batas yang menyisakan daya bagi perangkat terlindung."),
    Code.DEVICES_MISSING: ("Add them to the agent, or take them out of the site file.", "اُنھیں ایجنٹ میں شامل کریں یا سائٹ فائل سے نکالیں۔", "Tambahkan ke agen, atau keluarkan dari berkas lokasi."),
    Code.DEVICES_UNDECLARED: ("Add them to the site file, or take them off the agent.", "اُنھیں سائٹ فائل میں شامل کریں یا ایجنٹ سے نکالیں۔", "Tambahkan ke berkas lokasi, atau keluarkan dari agen."),
    Code.DEVICES_DIFFER: ("Correct the one that is wrong, then restart it.", "جو غلط ہے اُسے درست کر کے دوبارہ چلائیں۔", "Betulkan yang salah, lalu mulai ulang."),
    Code.WATTS_ABSURD: ("Look at the device's wiring or firmware, and at the unit of what measures it.", "مشین کی وائرنگ یا فرم ویئر، اور ناپنے والے کی اکائی دیکھیں۔", "Periksa kabel atau firmware perangkat, dan satuan alat ukurnya."),
    Code.HEAD_REFUSED: ("Look at who leads the agent.", "دیکھیں ایجنٹ کو کون چلا رہا ہے۔", "Lihat siapa yang memimpin agen."),
    Code.SET_REFUSED: ("See the agent's own words: make room on its disk, or give it the right `controller.pub`.", "ایجنٹ کے اپنے الفاظ دیکھیں: اُس کی ڈسک پر جگہ بنائیں، یا درست `controller.pub` دیں۔", "Lihat kata agen sendiri: kosongkan disknya, atau beri `controller.pub` yang benar."),
}  # fmt: skip
