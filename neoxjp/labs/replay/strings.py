"""Words of the section replay (keys start with replay_)."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "replay_tab": ("記録と再現", "Replay"),
    "replay_title": ("記録と再現", "Replay"),
    "replay_intro": (
        "生成のすべて（書き出しの id、設定、シード、モデルの指紋、版）を小さな JSON に残し、あとで同じ文章になるか確かめます。",
        "Keep all of a generation (the opening’s ids, settings, seed, the model’s fingerprint, versions) in a small JSON, and "
        "see later whether it comes out the same.",
    ),
    "replay_save_title": ("この生成を残す", "Save this generation"),
    "replay_empty": ("「生成」で何か書くと、ここで保存できます。", "Generate something, and it can be saved here."),
    "replay_unknown": (
        "この文章がどんな設定で書かれたかは、もう分かりません。新しく生成すると保存できます。",
        "How this text was written is not known any more. Generate anew, and it can be saved.",
    ),
    "replay_save": ("⤓ JSON を保存", "⤓ Save as JSON"),
    "replay_link": ("リンクをコピー", "Copy a link"),
    "replay_link_copied": ("リンクをコピーしました。開いても、押すまで何も動きません。",
                           "Copied. Opening it runs nothing until one presses Replay."),
    "replay_link_shown": ("コピーできませんでした。ここから選んでください：", "It could not be copied; take it from here:"),
    "replay_link_long": ("リンクにするには長すぎます（4,096 文字まで）。JSON を保存してください。",
                         "Too long for a link (4,096 characters at most): save the JSON instead."),
    "replay_holds": ("何が入っているか", "What is in it"),
    "replay_model": ("モデル", "model"),
    "replay_mark": ("モデルの指紋", "the model’s fingerprint"),
    "replay_vocabulary": ("語彙", "vocabulary"),
    "replay_prompt": ("書き出し", "opening"),
    "replay_written": ("書いた分", "written"),
    "replay_settings": ("設定", "settings"),
    "replay_seed": ("シード", "seed"),
    "replay_dtype": ("dtype", "dtype"),
    "replay_kernel": ("カーネル", "kernel"),
    "replay_machine": ("計算機", "machine"),
    "replay_batch": ("同時に走っていた生成", "beside others"),
    "replay_threads": ("{n} スレッド", "{n} threads"),
    "replay_version": ("版", "version"),
    # load and run again
    "replay_load_title": ("もう一度走らせる", "Run one again"),
    "replay_pasted": ("保存した JSON", "A saved JSON"),
    "replay_pasted_placeholder": ("ここに貼るか、下でファイルを選ぶ", "Paste it here, or choose a file below"),
    "replay_file": ("ファイルを選ぶ", "Choose a file"),
    "replay_file_note": ("ファイルはこのブラウザーの中で読みます。", "The file is read in this browser."),
    "replay_go": ("▶ 再現する", "▶ Replay"),
    "replay_stop": ("■ 停止", "■ Stop"),
    "replay_nothing": ("JSON を貼るか、ファイルを選んでください。", "Paste a JSON, or choose a file."),
    "replay_too_many": ("この記録は {n} トークンを書かせますが、ここでは {most} トークンまでです。",
                        "This file asks for {n} tokens; up to {most} can be written here."),
    "replay_running": ("再現しています：{n} / {total} トークン", "replaying: {n} of {total} tokens"),
    "replay_linked": ("リンクから読み込みました。「再現する」を押すと走ります。",
                      "Filled by a link. Press Replay to run it."),
    "replay_link_damaged": ("リンクが壊れています。もう一度もらうか、JSON を使ってください。",
                            "The link is damaged: ask for it again, or use the JSON."),
    "replay_same": ("同じ {n} トークンになりました。", "The same {n} tokens."),
    "replay_same_so_far": ("停止しました。書いた {n} トークン（全 {all}）までは同じです。",
                           "Stopped. The {n} tokens written (of {all}) are the same."),
    "replay_other": ("{all} トークンのうち、{n} 個めから違います。", "Other ids from token {n} of {all} on."),
    "replay_then": ("前", "then"),
    "replay_now": ("今", "now"),
    "replay_what": ("違うもの", "what differs"),
    "replay_reasons": ("前とは、次の点が違います。", "This is not as it was:"),
    "replay_though": ("次の点は前と違いますが、結果は変わりませんでした。", "This is not as it was, and made no difference:"),
    "replay_no_reason": (
        "分かる範囲では、何も違いません。記録が書きかえられたか、計算が毎回同じにならないカーネルです。",
        "Nothing that is known differs: the file was edited, or a kernel does not repeat itself.",
    ),
    "replay_shown_above": ("文章は上に出ています。続けることも、元に戻すこともできます。",
                           "The text is shown above: continue it, or undo."),
    "replay_shown_here": ("モデルが違うので、文章は上には出さずここに置きます。",
                          "Another model wrote it, so that it stands here and not above."),
    # code
    "replay_code_title": ("コードとしてコピー", "Copy as code"),
    "replay_code_empty": (
        "生成すると、同じことをするコードがここに出ます。",
        "Generate something, and the code that does the same appears.",
    ),
    "replay_code_copy": ("コピー", "Copy"),
    "replay_code_copied": ("コピーしました", "copied"),
    "replay_way_python": ("Python", "Python"),
    "replay_way_curl": ("curl", "curl"),
    "replay_way_gradio_client": ("gradio_client", "gradio_client"),
    "replay_caveat_eos": ("API では終わりのトークンを決められません。モデルのものが使われます。",
                          "The API knows no end tokens of one’s own: the model’s are used."),
    "replay_caveat_deadline": ("時間の制限は入れていません。", "There was a deadline: it is left out."),
    "replay_caveat_beside": ("ほかの生成と同時に走りました。このモデルの数は、それで最後の桁が変わることがあります。",
                             "Others ran beside it, and this model’s numbers depend on them in their last digits."),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
both, label, words = strings.both, strings.label, strings.words
