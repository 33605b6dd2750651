using System.Text;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace S3dlio.Cli.Reports;

/// <summary>Charts of lines, one below the other, as SVG or PNG.</summary>
static class Charts
{
    public const int Width = 960, Height = 280;

    /// <summary>Pixels of a unit in PNG.</summary>
    const double Scale = 1.5;

    /// <summary>Colours that people who see few colours tell apart, by operation.</summary>
    static readonly Dictionary<string, OxyColor> Colors = new(StringComparer.Ordinal)
    {
        ["GET"] = OxyColor.FromRgb(0x00, 0x72, 0xb2),
        ["PUT"] = OxyColor.FromRgb(0xd5, 0x5e, 0x00),
        ["STAT"] = OxyColor.FromRgb(0x00, 0x9e, 0x73),
        ["LIST"] = OxyColor.FromRgb(0xcc, 0x79, 0xa7),
        ["DELETE"] = OxyColor.FromRgb(0x50, 0x50, 0x50),
        ["COPY"] = OxyColor.FromRgb(0x56, 0xb4, 0xe9),
        ["MOVE"] = OxyColor.FromRgb(0xe6, 0x9f, 0x00),
    };

    /// <summary>A chart without lines.</summary>
    /// <param name="title">Above it.</param>
    /// <param name="below">What the axis below says.</param>
    /// <param name="left">What the axis at the left says.</param>
    /// <param name="logBelow">Whether the axis below is logarithmic.</param>
    /// <param name="logLeft">Whether the axis at the left is.</param>
    public static PlotModel New(string title, string below, string left, bool logBelow = false, bool logLeft = false)
    {
        var model = new PlotModel
        {
            Title = title,
            TitleFontSize = 14,
            DefaultFont = "sans-serif",
            DefaultFontSize = 12,
            PlotAreaBorderColor = OxyColors.LightGray,
        };
        model.Axes.Add(Axis(AxisPosition.Bottom, below, logBelow));
        model.Axes.Add(Axis(AxisPosition.Left, left, logLeft));
        model.Legends.Add(new Legend
        {
            LegendPlacement = LegendPlacement.Outside,
            LegendPosition = LegendPosition.RightTop,
            LegendFontSize = 12,
        });
        return model;
    }

    static Axis Axis(AxisPosition position, string title, bool isLogarithmic)
    {
        Axis axis = isLogarithmic ? new LogarithmicAxis() : new LinearAxis { MinimumPadding = 0, AbsoluteMinimum = 0, Minimum = 0 };
        axis.Position = position;
        axis.Title = title;
        axis.MajorGridlineStyle = LineStyle.Solid;
        axis.MajorGridlineColor = OxyColor.FromRgb(0xe8, 0xe8, 0xe8);
        axis.TicklineColor = OxyColors.Gray;
        axis.StringFormat = "G4";
        axis.AxisTitleDistance = 10;
        return axis;
    }

    /// <param name="model">Where it goes.</param>
    /// <param name="name">In the legend; a line that begins with an operation has its colour.</param>
    /// <param name="points">From left to right.</param>
    /// <param name="isFaint">Thinner and lighter.</param>
    public static void Add(PlotModel model, string name, IEnumerable<(double X, double Y)> points, bool isFaint = false)
    {
        var color = Colors.GetValueOrDefault(name.Split(' ')[0], OxyColors.Black);
        var line = new LineSeries
        {
            Title = name,
            Color = isFaint ? OxyColor.FromAColor(0x78, color) : color,
            StrokeThickness = isFaint ? 1 : 1.6,
        };
        line.Points.AddRange(points.Select(static point => new DataPoint(point.X, point.Y)));
        model.Series.Add(line);
    }

    /// <summary>One of them as an element for a page.</summary>
    /// <param name="model">Which.</param>
    /// <param name="number">Of it on the page: names of clipping paths are those of the whole page.</param>
    public static string Element(PlotModel model, int number)
    {
        string text = new SvgExporter
        {
            Width = Width,
            Height = Height,
            IsDocument = false,
            UseVerticalTextAlignmentWorkaround = true,
            // whatever font the reader has is hardly wider
            TextMeasurer = new RasterContext(1, 1, 1),
        }.ExportToString(model);
        return text[text.IndexOf("<svg", StringComparison.Ordinal)..]
            .Replace("\"clipPath", $"\"chart{number}-", StringComparison.Ordinal)
            .Replace("#clipPath", $"#chart{number}-", StringComparison.Ordinal);
    }

    /// <summary>All of them, as a file of its own.</summary>
    public static byte[] Svg(IReadOnlyList<PlotModel> models)
    {
        var text = new StringBuilder($"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{Width}\" height=\"{Height * models.Count}\">\n")
            .Append("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
        for (int i = 0; i < models.Count; i++)
        {
            text.Append($"<g transform=\"translate(0,{i * Height})\">\n").Append(Element(models[i], i)).Append("\n</g>\n");
        }
        return Encoding.UTF8.GetBytes(text.Append("</svg>\n").ToString());
    }

    public static byte[] Png(IReadOnlyList<PlotModel> models)
    {
        var picture = new RasterContext(Width, Height * models.Count, Scale);
        for (int i = 0; i < models.Count; i++)
        {
            picture.Top = i * Height;
            ((IPlotModel)models[i]).Update(true);
            ((IPlotModel)models[i]).Render(picture, new OxyRect(0, 0, Width, Height));
        }
        return picture.Png();
    }
}
