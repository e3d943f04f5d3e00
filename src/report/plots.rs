//! Plots, each drawn once and written as SVG text or PNG bytes. The only place that knows plotters.

use std::sync::OnceLock;

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, ShapeStyle, TextStyle, register_font};

mod arms;
mod history;
mod overview;
mod quality;
mod spectra;
mod times;

pub use arms::{ArmPoint, arms};
pub use history::{HistoryPlot, history};
pub use overview::{OverviewRow, overview};
pub use quality::{QualityLine, quality};
pub use spectra::{Kind, Line, SpectraPlot, spectra};
pub use times::{TimePoint, times};

/// DejaVu Sans; its licence lies beside it.
const FONT: &[u8] = include_bytes!("font/DejaVuSans-subset.ttf");
/// What a browser is asked for. For measuring and for PNG the embedded font goes by this name.
const FAMILY: &str = "system-ui";

/// plotters' size of a font is 1.24 em.
const EM: f64 = 1.24;

/// Why a plot could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the plot `{title}` could not be drawn: {message}")]
pub struct PlotError {
    /// Which plot.
    pub title: String,
    /// What the drawing library said.
    pub message: String,
}

/// One drawing in both forms.
#[derive(Debug, Clone)]
pub struct Plot {
    /// An `<svg>` element without width and height: it fills the box that it stands in.
    pub svg: String,
    /// A PNG file on white.
    pub png: Vec<u8>,
}

/// The text of a page.
pub const INK: RGBColor = RGBColor(0x22, 0x28, 0x2E);
/// Tick labels.
pub const MUTED: RGBColor = RGBColor(0x6A, 0x73, 0x7D);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(0xE3, 0xE5, 0xE8);
/// One colour a model, readable apart with any colour vision; (on light, on dark).
pub const SERIES: [(RGBColor, RGBColor); 6] = [
    (RGBColor(0x1F, 0x6F, 0xB5), RGBColor(0x6C, 0xB2, 0xF0)),
    (RGBColor(0xC8, 0x50, 0x1B), RGBColor(0xFF, 0x9B, 0x66)),
    (RGBColor(0x17, 0x84, 0x6B), RGBColor(0x4F, 0xCB, 0xAA)),
    (RGBColor(0x7B, 0x4C, 0xB0), RGBColor(0xBC, 0x98, 0xEE)),
    (RGBColor(0xB5, 0x2C, 0x70), RGBColor(0xF2, 0x83, 0xB7)),
    (RGBColor(0x7D, 0x71, 0x0D), RGBColor(0xD0, 0xC2, 0x55)),
];

/// `#1F6FB5`, as plotters writes it.
pub fn hex(color: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2)
}

/// The colour of a model by its place.
pub fn series(place: usize) -> RGBColor {
    SERIES[place % SERIES.len()].0
}

/// A page of `size` points, each `scale` units of the drawing: coordinates are integers, so the scale sets how smooth
/// lines are.
struct Canvas<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    scale: f64,
}

/// Where a text stands against its point.
type Anchor = (HPos, VPos);

impl<DB: DrawingBackend> Canvas<'_, DB> {
    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    fn pen(&self, color: RGBColor, width: f64, opacity: f64) -> ShapeStyle {
        color
            .mix(opacity)
            .stroke_width((width * self.scale).round().max(1.0) as u32)
    }

    fn line(&self, points: &[(f64, f64)], color: RGBColor, width: f64, opacity: f64) -> Result<(), String> {
        let points: Vec<_> = points.iter().map(|&p| self.at(p)).collect();
        self.area
            .draw(&PathElement::new(points, self.pen(color, width, opacity)))
            .map_err(|e| e.to_string())
    }

    /// A line of dashes, `on` points long and `off` points apart.
    fn dashes(&self, points: &[(f64, f64)], color: RGBColor, width: f64, (on, off): (f64, f64)) -> Result<(), String> {
        let mut walked = 0.0;
        let mut dash: Vec<(f64, f64)> = Vec::new();
        for pair in points.windows(2) {
            let (dx, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
            let length = dx.hypot(dy);
            let mut done = 0.0;
            while done < length {
                let phase = walked % (on + off);
                let drawn = phase < on;
                // At least a thousandth of a point, or rounding of `phase` could stop the walk.
                let step = (if drawn { on - phase } else { on + off - phase })
                    .max(1e-3)
                    .min(length - done);
                let place = |t: f64| (pair[0].0 + dx * t / length, pair[0].1 + dy * t / length);
                if drawn {
                    if dash.is_empty() {
                        dash.push(place(done));
                    }
                    dash.push(place(done + step));
                }
                (done, walked) = (done + step, walked + step);
                if !drawn || walked % (on + off) >= on {
                    if dash.len() > 1 {
                        self.line(&dash, color, width, 1.0)?;
                    }
                    dash.clear();
                }
            }
        }
        if dash.len() > 1 {
            self.line(&dash, color, width, 1.0)
        } else {
            Ok(())
        }
    }

    fn dot(&self, center: (f64, f64), radius: f64, style: ShapeStyle) -> Result<(), String> {
        let radius = (radius * self.scale).round() as i32;
        self.area
            .draw(&Circle::new(self.at(center), radius, style))
            .map_err(|e| e.to_string())
    }

    fn text(&self, text: &str, at: (f64, f64), size: f64, color: RGBColor, anchor: Anchor) -> Result<(), String> {
        let font = (FAMILY, size * EM * self.scale).into_font();
        let style = TextStyle::from(font).color(&color).pos(Pos::new(anchor.0, anchor.1));
        self.area
            .draw(&Text::new(text.to_string(), self.at(at), style))
            .map_err(|e| e.to_string())
    }
}

/// Whether the embedded font stands under [`FAMILY`]; everything that measures or draws text asks first.
fn registered() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    *REGISTERED.get_or_init(|| register_font(FAMILY, FontStyle::Normal, FONT).is_ok())
}

/// Width of a text in points.
fn width_of(text: &str, size: f64) -> f64 {
    registered();
    // Measured large, since the answer is an integer.
    (FAMILY, size * EM * 8.0)
        .into_font()
        .box_size(text)
        .map_or(0.0, |(w, _)| f64::from(w) / 8.0)
}

/// Cuts a text with an ellipsis so that it is at most `width` points wide.
fn fitted(text: &str, size: f64, width: f64) -> String {
    if width_of(text, size) <= width {
        return text.to_string();
    }
    let mut characters: Vec<char> = text.chars().collect();
    while characters.pop().is_some() {
        let shorter: String = characters.iter().collect::<String>() + "…";
        if width_of(&shorter, size) <= width {
            return shorter;
        }
    }
    String::new()
}

/// A power of ten as a tick label: `1`, `0.1`, `0.01`, `10⁻³`.
fn decade(exponent: i32) -> String {
    match exponent {
        0 => "1".into(),
        1 => "10".into(),
        -1 => "0.1".into(),
        -2 => "0.01".into(),
        e => {
            let digits = e.unsigned_abs().to_string();
            let raised = digits.chars().map(|c| match c {
                '1' => '¹',
                '2' => '²',
                '3' => '³',
                c => char::from_u32('⁰' as u32 + (c as u32 - '0' as u32)).unwrap_or(c),
            });
            format!("10{}{}", if e < 0 { "⁻" } else { "" }, raised.collect::<String>())
        }
    }
}

/// Round numbers from at most `low` to at least `high`, about `count` of them, and the digits to print them with.
fn ticks(low: f64, high: f64, count: usize) -> (Vec<f64>, usize) {
    let span = (high - low).max(f64::MIN_POSITIVE);
    let raw = span / count.max(1) as f64;
    let power = 10f64.powi(raw.log10().floor() as i32);
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|s| *s >= raw * 0.999)
        .unwrap_or(raw);
    let first = (low / step).floor() as i64;
    let last = (high / step).ceil() as i64;
    let digits = (-step.log10().floor()).max(0.0) as usize;
    ((first..=last).map(|i| i as f64 * step).collect(), digits)
}

/// What draws itself on a canvas.
trait Drawing {
    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<(), String>;
}

/// Draws in both forms.
fn render(title: &str, size: (f64, f64), drawing: &impl Drawing) -> Result<Plot, PlotError> {
    let fail = |message: String| PlotError {
        title: title.into(),
        message,
    };
    if !registered() {
        return Err(fail("the embedded font cannot be read".into()));
    }
    let pixels = |scale: f64| ((size.0 * scale).round() as u32, (size.1 * scale).round() as u32);

    const SVG_SCALE: f64 = 4.0;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, pixels(SVG_SCALE)).into_drawing_area();
        drawing
            .draw(&Canvas {
                area: &area,
                scale: SVG_SCALE,
            })
            .map_err(fail)?;
        area.present().map_err(|e| fail(e.to_string()))?;
    }
    // Without width and height the element fills its box; the viewBox keeps the proportions.
    let (w, h) = pixels(SVG_SCALE);
    let svg = compact(&svg.replacen(&format!("width=\"{w}\" height=\"{h}\" "), "", 1));

    const PNG_SCALE: f64 = 2.0;
    let (w, h) = pixels(PNG_SCALE);
    let mut buffer = vec![0xFFu8; w as usize * h as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut buffer, (w, h)).into_drawing_area();
        drawing
            .draw(&Canvas {
                area: &area,
                scale: PNG_SCALE,
            })
            .map_err(fail)?;
        area.present().map_err(|e| fail(e.to_string()))?;
    }
    let png = encode(&buffer, w, h).map_err(|e| fail(e.to_string()))?;
    Ok(Plot { svg, png })
}

/// The same drawing in fewer bytes and elements: consecutive lines of one pen become one path (a dashed line is a hundred of
/// them), and what is the default is not said.
fn compact(svg: &str) -> String {
    let mut short = String::with_capacity(svg.len() / 2);
    let mut open: Option<&str> = None;
    for line in svg.lines() {
        let parts = line
            .strip_prefix("<polyline ")
            .and_then(|rest| rest.strip_suffix(" \"/>"));
        if let Some((pen, points)) = parts.and_then(|rest| rest.split_once(" points=\"")) {
            if open != Some(pen) {
                short += if open.is_some() { "\"/>" } else { "" };
                short += &format!("<path {pen} d=\"");
            }
            short += &format!("M{points}");
            open = Some(pen);
            continue;
        }
        short += if open.take().is_some() { "\"/>" } else { "" };
        short += line;
    }
    short += if open.is_some() { "\"/>" } else { "" };
    short
        .replace(" opacity=\"1\"", "")
        .replace(" text-anchor=\"start\"", "")
}

/// RGB bytes as a PNG file.
fn encode(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(bytes)
}
