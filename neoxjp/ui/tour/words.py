"""What the tour says, in Japanese and English. A step is `tour_<step>`; {old} and {new} are the first generated tokens."""

from neoxjp.page_parts.strings import Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "tour_start": ("30 秒ツアー", "30-second tour"),
    "tour_name": ("ツアー", "Tour"),
    "tour_next": ("次へ", "Next"),
    "tour_skip": ("終了（Esc）", "Skip (Esc)"),
    "tour_finish": ("閉じる", "Close"),
    "tour_wait": ("生成しています…", "Generating…"),
    "tour_generate": ("「生成」を押してください。モデルがこの文章の続きを 1 トークンずつ生成します。",
                      "Press Generate. The model continues this text, one token at a time."),
    "tour_press": ("色が濃いトークンほど確率が低く、意外な選択です。このトークンを押してください。",
                   "The stronger a token's colour, the lower its probability: a surprise. Press this one."),
    "tour_read": ("ここに来る可能性があったほかの候補と、その確率です。➜ を押すと、その候補から続けられます。",
                  "These other tokens could have stood here, with these probabilities. ➜ continues with one of them."),
    "tour_temperature": ("温度を上げると、確率の低い候補も選ばれやすくなります。スライダーを右へ動かしてください。",
                         "A higher temperature gives unlikely tokens a better chance. Move the slider to the right."),
    "tour_again": ("もう一度「生成」を押して、結果を比べましょう。", "Press Generate again and compare."),
    "tour_changed": ("同じプロンプトでも、最初に選ばれたトークンが「{old}」から「{new}」に変わりました。"
                     "各トークンが選ばれた過程は「ラボ」で確認できます。",
                     "With the same prompt, the first token drawn is now “{new}”; it was “{old}”. The lab shows how each "
                     "token was chosen."),
    "tour_same": ("最初のトークンは今回も「{new}」ですが、その先は変わりました。"
                  "各トークンが選ばれた過程は「ラボ」で確認できます。",
                  "The first token is “{new}” again, but what follows is different. The lab shows how each token was chosen."),
}
# fmt: on
strings = Strings(STRINGS)
