package com.example.hello;

import static org.hamcrest.Matchers.allOf;
import static org.hamcrest.Matchers.containsString;
import static org.springframework.test.web.servlet.request.MockMvcRequestBuilders.get;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.content;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.status;
import static org.springframework.test.web.servlet.setup.MockMvcBuilders.standaloneSetup;

import java.util.Properties;
import org.junit.jupiter.api.Test;
import org.springframework.boot.info.BuildProperties;
import org.springframework.mock.env.MockEnvironment;

class HelloControllerTest {

  @Test
  void pageShowsVersionAndProfile() throws Exception {
    var build = new Properties();
    build.setProperty("version", "1.2.3");
    var environment = new MockEnvironment();
    environment.setActiveProfiles("dev", "<b>");
    var controller = new HelloController(new BuildProperties(build), environment);

    standaloneSetup(controller).build().perform(get("/"))
        .andExpect(status().isOk())
        .andExpect(content().string(
            allOf(containsString("<b>1.2.3</b>"), containsString("<b>dev, &lt;b&gt;</b>"))));
  }
}
