using System.Net;
using System.Text;
using OxyPlot;

namespace S3dlio.Cli.Reports;

/// <summary>A page that needs no other file: headings, tables, charts.</summary>
sealed class HtmlPage
{
    readonly StringBuilder _text = new();
    int _charts;

    public HtmlPage(string title)
    {
        string escaped = WebUtility.HtmlEncode(title);
        _text.Append($$"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{{escaped}}</title>
            <style>
            body { font-family: sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; color: #222; }
            table { border-collapse: collapse; font-size: .85em; font-variant-numeric: tabular-nums; }
            th, td { padding: .25em .6em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
            th:first-child, td:first-child { text-align: left; }
            .wide { overflow-x: auto; }
            svg { max-width: 100%; height: auto; }
            </style>
            </head>
            <body>
            <h1>{{escaped}}</h1>

            """);
    }

    public void Heading(string text) => _text.Append($"<h2>{WebUtility.HtmlEncode(text)}</h2>\n");

    public void Paragraph(string text) => _text.Append($"<p>{WebUtility.HtmlEncode(text)}</p>\n");

    public void Table(IReadOnlyList<string> heads, IEnumerable<IReadOnlyList<string>> rows)
    {
        _text.Append("<div class=\"wide\"><table>\n");
        Row("th", heads);
        foreach (var row in rows)
            Row("td", row);
        _text.Append("</table></div>\n");

        void Row(string cell, IReadOnlyList<string> texts) =>
            _text.Append("<tr>").AppendJoin("", texts.Select(text => $"<{cell}>{WebUtility.HtmlEncode(text)}</{cell}>")).Append("</tr>\n");
    }

    public void Chart(PlotModel model)
    {
        // a browser scales what has a box and no size
        string element = Charts.Element(model, _charts++).Replace($"width=\"{Charts.Width}\" height=\"{Charts.Height}\" version",
            $"viewBox=\"0 0 {Charts.Width} {Charts.Height}\" version", StringComparison.Ordinal);
        _text.Append("<figure style=\"margin:1em 0\">\n").Append(element).Append("\n</figure>\n");
    }

    public byte[] Bytes() => Encoding.UTF8.GetBytes(_text + "</body>\n</html>\n");
}
