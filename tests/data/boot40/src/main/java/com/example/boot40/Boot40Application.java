package com.example.boot40;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.SpringBootVersion;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** One page that says which Spring Boot serves it, on which Java. */
@SpringBootApplication
@RestController
public class Boot40Application {

  public static void main(String[] arguments) {
    SpringApplication.run(Boot40Application.class, arguments);
  }

  @GetMapping("/")
  String page() {
    return "boot=" + SpringBootVersion.getVersion() + " java=" + System.getProperty("java.specification.version");
  }
}
