"""Word times by the systems themselves, run by the Python of ``.venv-peers``: ``python peer_systems.py JOB.json``.

The job holds where the weights lie and, for each clip, its samples (an ``.npy`` file), words and tokens; what comes
out, a JSON object on the last line, is the version of each system and its times by clip. Times are those before
rounding, where the system lets them be had: ``round`` is looked up in a module before the built-in one.
"""

import importlib
import importlib.metadata
import json
import sys

import numpy as np
import torch
import whisper
import whisper.timing
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import get_tokenizer

torch.set_num_threads(1)


def unrounded(value, _digits=None):
    return value


def load(job):
    checkpoint = torch.load(job["pt"], weights_only=True)
    model = Whisper(ModelDimensions(**checkpoint["dims"]))
    model.load_state_dict(checkpoint["model_state_dict"])
    mask = torch.zeros(model.dims.n_text_layer, model.dims.n_text_head, dtype=torch.bool)
    for layer, head in job["heads"]:
        mask[layer, head] = True
    model.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)
    return model.eval()


def mel_of(samples):
    return whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(samples)))


def segment_of(clip, samples):
    return {"seek": 0, "start": 0.0, "end": len(samples) / 16000, "tokens": list(clip["tokens"])}


def openai(job, clips):
    whisper.timing.round = unrounded
    model, tokenizer = load(job), get_tokenizer(False)
    for id_, clip, samples in clips:
        segment = segment_of(clip, samples)
        whisper.timing.add_word_timestamps(
            segments=[segment],
            model=model,
            tokenizer=tokenizer,
            mel=mel_of(samples),
            num_frames=len(samples) // 160,
            last_speech_timestamp=0.0,
        )
        yield id_, [(word["word"], word["start"], word["end"]) for word in segment["words"]]


def faster_whisper(job, clips):
    import faster_whisper.transcribe as module
    from faster_whisper.tokenizer import Tokenizer

    module.round = unrounded
    model = module.WhisperModel(job["ctranslate2"], device="cpu", compute_type="float32", cpu_threads=1)
    tokenizer = Tokenizer(model.hf_tokenizer, False)
    for id_, clip, samples in clips:
        features = model.feature_extractor(np.pad(samples, (0, 480000 - len(samples))))[:, :3000]
        segment = segment_of(clip, samples)
        model.add_word_timestamps(
            [[segment]],
            tokenizer,
            model.encode(features),
            len(samples) // 160,
            "\"'“¿([{-",
            "\"'.。,，!！?？:：”)]}、",
            0.0,
        )
        yield id_, [(word["word"], float(word["start"]), float(word["end"])) for word in segment["words"]]


def transformers(job, clips):
    """Start and end of each token, as its own pipeline reads them: from the time of the token before to its own."""
    from transformers import WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(job["transformers"], attn_implementation="eager").eval()
    tokenizer = get_tokenizer(False)
    prompt = [tokenizer.sot, tokenizer.no_timestamps]
    for id_, clip, samples in clips:
        target = [*prompt, *clip["tokens"], tokenizer.eot]
        mask = torch.zeros(1, 3000, dtype=torch.long)
        mask[:, : len(samples) // 160] = 1
        out = model.generate(
            mel_of(samples)[None],
            attention_mask=mask,
            return_token_timestamps=True,
            return_dict_in_generate=True,
            prefix_allowed_tokens_fn=lambda _, ids, target=target: [target[min(len(ids), len(target) - 1)]],
            max_new_tokens=len(target),
        )
        sequence, times = out["sequences"][0].tolist(), out["token_timestamps"][0].tolist()
        first = len(prompt) if sequence[0] == tokenizer.sot else 0
        assert sequence[first : first + len(clip["tokens"])] == clip["tokens"], "the tokens were not forced"
        of_text = times[first : first + len(clip["tokens"])]
        yield id_, list(zip([0.0, *of_text[:-1]], of_text, strict=True))


def whisper_timestamped(job, clips):
    # the package names a function like the module
    module = importlib.import_module("whisper_timestamped.transcribe")

    module.round_timestamp = unrounded
    module.num_alignment_for_plot = 0  # its transcribe sets it
    model, tokenizer = load(job), get_tokenizer(False)
    for id_, clip, samples in clips:
        rows = []
        hooks = [
            b.cross_attn.register_forward_hook(lambda _m, _i, o, rows=rows: rows.append(o[-1]))
            for b in model.decoder.blocks
        ]
        tokens = [*tokenizer.sot_sequence, tokenizer.timestamp_begin, *clip["tokens"]]
        with torch.no_grad(), whisper.model.disable_sdpa():
            model(mel_of(samples)[None], torch.tensor([tokens]))
        for hook in hooks:
            hook.remove()
        first = len(tokenizer.sot_sequence)
        end = tokenizer.timestamp_begin + len(samples) // 320
        words = module.perform_word_alignment(
            [*tokens[first:], end],
            [row[:, :, first - 1 :] for row in rows],
            tokenizer,
            alignment_heads=model.alignment_heads,
            refine_whisper_precision_nframes=job["refine_frames"],
            detect_disfluencies=False,
        )
        yield id_, [(word["text"], float(word["start"]), float(word["end"])) for word in words]


def stable_ts(job, clips):
    import stable_whisper

    model = load(job)
    stable_whisper.modify_model(model)
    for id_, clip, samples in clips:
        result = model.align(samples, " " + " ".join(clip["words"]), language="en", verbose=None)
        yield id_, [(word.word, word.start, word.end) for word in result.all_words()]


SYSTEMS = {
    "openai-whisper": openai,
    "faster-whisper": faster_whisper,
    "transformers": transformers,
    "whisper-timestamped": whisper_timestamped,
    "stable-ts": stable_ts,
}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    clips = [(id_, clip, np.load(clip["samples"])) for id_, clip in job["clips"].items()]
    done = {}
    for name in job["systems"]:
        done[name] = {"version": importlib.metadata.version(name), "times": dict(SYSTEMS[name](job, clips))}
    print(json.dumps(done))


if __name__ == "__main__":
    main()
