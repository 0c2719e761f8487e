"""Colours, type and the page's style. Fonts are the machine's own: no page element is fetched from elsewhere."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

STATIC = Path(__file__).parent / "static"
FONTS = ("ui-rounded", "SF Pro Rounded", "Inter", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")


def static(name: str) -> str:
    """The text of a file in `emotalk/ui/static`."""
    return (STATIC / name).read_text(encoding="utf-8")


def theme() -> gr.themes.Base:
    """A calm, rounded theme with a coral accent, light and dark."""
    coral = gr.themes.Color(
        c50="#fff4f1", c100="#ffe5de", c200="#ffc9bc", c300="#ffa893", c400="#fb8a72", c500="#f26d55", c600="#dd5640",
        c700="#b84331", c800="#93382b", c900="#773127", c950="#411610", name="coral",
    )  # fmt: skip
    base = gr.themes.Soft(
        primary_hue=coral,
        secondary_hue=coral,
        neutral_hue=gr.themes.colors.zinc,
        radius_size=gr.themes.sizes.radius_lg,
        font=list(FONTS),
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
    )
    return base.set(
        body_background_fill="#faf8fc",
        body_background_fill_dark="#15121f",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1d1a2a",
        background_fill_secondary="#f6f3fa",
        background_fill_secondary_dark="#181523",
        block_background_fill="#ffffff",
        block_background_fill_dark="#211d30",
        input_background_fill_dark="#2b2640",
        input_background_fill_focus_dark="#2b2640",
        # What stands in an empty field is read too: 4.5 and more on it.
        input_placeholder_color="#6d6680",
        input_placeholder_color_dark="#a9a2bd",
        border_color_primary="#e8e2f0",
        border_color_primary_dark="#373149",
        block_border_width="1px",
        block_shadow="none",
        block_title_text_color="*body_text_color_subdued",
        block_title_text_color_dark="*body_text_color_subdued",
        block_title_text_weight="500",
        block_title_background_fill="transparent",
        block_title_background_fill_dark="transparent",
        block_title_padding="0",
        body_text_color_subdued="#6d6680",
        body_text_color_subdued_dark="#a9a2bd",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        # White on these has a contrast of 4.5 and more (WCAG AA), at both ends.
        button_primary_background_fill="linear-gradient(100deg, #cc4a35, #cf3f63)",
        button_primary_background_fill_dark="linear-gradient(100deg, #c8452f, #c7365f)",
        button_primary_background_fill_hover="linear-gradient(100deg, #b84331, #b83157)",
        button_primary_background_fill_hover_dark="linear-gradient(100deg, #b84331, #b83157)",
        checkbox_label_background_fill_selected="#c8452f",
        checkbox_label_background_fill_selected_dark="#b84331",
        checkbox_label_text_color_selected="#ffffff",
        checkbox_label_text_color_selected_dark="#ffffff",
        color_accent="*primary_700",
        color_accent_soft="*primary_100",
        block_label_text_color="*body_text_color_subdued",
        block_label_text_color_dark="*body_text_color_subdued",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        checkbox_border_color="#b9b0c8",
        checkbox_border_color_dark="#6a617f",
        button_large_radius="16px",
        button_small_radius="12px",
        # As dark as the cards, not grey; white on them has more than 4.5, under the pointer too.
        button_secondary_background_fill_dark="#332d47",
        button_secondary_background_fill_hover_dark="#433b5c",
        checkbox_label_background_fill_dark="#332d47",
        checkbox_label_background_fill_hover_dark="#433b5c",
    )
