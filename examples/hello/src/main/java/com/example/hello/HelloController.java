package com.example.hello;

import java.net.InetAddress;
import java.net.UnknownHostException;
import org.springframework.boot.info.BuildProperties;
import org.springframework.core.env.Environment;
import org.springframework.http.MediaType;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.util.HtmlUtils;

/** One page that says which release answered, under which profile, on which host. */
@RestController
class HelloController {

  private static final String PAGE = """
      <!doctype html>
      <html lang="en">
      <head>
        <meta charset="utf-8">
        <title>Hello</title>
        <style>body { font: 1.2rem/1.6 system-ui; margin: 15vh auto; width: fit-content }</style>
      </head>
      <body>
        <h1>Hello</h1>
        <p>version <b>%s</b>
        <p>profile <b>%s</b>
        <p>host <b>%s</b>
      </body>
      </html>
      """;

  private final String page;

  HelloController(BuildProperties build, Environment environment) {
    String[] active = environment.getActiveProfiles();
    String profile = active.length == 0 ? "default" : String.join(", ", active);
    page = PAGE.formatted(escape(build.getVersion()), escape(profile), escape(hostName()));
  }

  @GetMapping(path = "/", produces = MediaType.TEXT_HTML_VALUE)
  String hello() {
    return page;
  }

  private static String escape(String text) {
    return HtmlUtils.htmlEscape(text);
  }

  private static String hostName() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException nameless) {
      return "unknown";
    }
  }
}
